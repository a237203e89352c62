import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { InputError } from '../../src/core/errors.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import type { CapturedTensor } from '../../src/generate/captured.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import type { Message } from '../../src/text/messages.ts';
import { compareValues } from '../../src/verify/compare.ts';
import { describeOnAdapters } from '../adapters.ts';
import { goldenPath, readGoldenJson, readGoldenTensors } from '../read-golden.ts';

interface Run {
  readonly name: string;
  readonly messages: readonly Message[];
}

const IMAGE = { chat: 'image_0.png', two_turns: 'image_1.decoded.png' } as const;

/** The request of a golden's run, its picture as the reference decoded it. */
function requestOf(name: keyof typeof IMAGE): { messages: readonly Message[]; images: readonly URL[] } {
  const { runs } = readGoldenJson<{ runs: readonly Run[] }>('llava15/reference.json');
  const messages = runs.find((run) => run.name === name)?.messages ?? [];
  const open = messages.map(({ role, content }) => ({
    role,
    content:
      typeof content === 'string'
        ? content
        : content.map((part) => (part.type === 'image' ? { type: 'image' as const } : part)),
  }));
  return { messages: open, images: [goldenPath(`llava15/${IMAGE[name]}`)] };
}

function tensorOf(captured: ReadonlyMap<string, CapturedTensor>, name: string): CapturedTensor {
  const tensor = captured.get(name);
  if (!tensor) throw new Error(`"${name}" was not captured`);
  return tensor;
}

/** Labels and workgroups of everything that `job` dispatches. */
async function dispatchesOf(device: Device, job: () => PromiseLike<unknown>): Promise<string[]> {
  const dispatches: string[] = [];
  const { gpu } = device;
  const create = gpu.createCommandEncoder.bind(gpu);
  gpu.createCommandEncoder = (descriptor) => {
    const encoder = create(descriptor);
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (options) => {
      const pass = begin(options);
      const dispatch = pass.dispatchWorkgroups.bind(pass);
      const set = pass.setPipeline.bind(pass);
      let pipeline = '';
      pass.setPipeline = (next) => {
        pipeline = next.label;
        set(next);
      };
      pass.dispatchWorkgroups = (...sizes) => {
        dispatches.push(`${options?.label} ${pipeline} ${sizes.join('x')}`);
        dispatch(...sizes);
      };
      return pass;
    };
    return encoder;
  };
  try {
    await job();
  } finally {
    gpu.createCommandEncoder = create;
  }
  return dispatches;
}

describeOnAdapters('capture', (getDevice) => {
  let model: VisionLanguageModel;
  beforeAll(async () => {
    model = await loadModel(fileURLToPath(goldenPath('llava15')), { device: getDevice(), dtype: 'f32' });
  });
  afterAll(() => model.dispose());

  test.each(['chat', 'two_turns'] as const)('reads what the reference recorded of %s', async (name) => {
    const golden = readGoldenTensors('llava15/reference.safetensors');
    const layers = model.model.text.numHiddenLayers;
    const states = Array.from({ length: layers + 1 }, (_, i) => `hidden_states.${i}`);
    const stages = ['vision.selected_layer', 'projector.output', 'imageFeatures', 'logits'];
    const captured = await model.capture([...stages, ...states], requestOf(name));
    expect([...captured.keys()]).toEqual([...stages, ...states]);
    const recorded = { imageFeatures: 'projector.output' } as Readonly<Record<string, string>>;
    for (const stage of stages) {
      const expected = golden(`${name}.${recorded[stage] ?? stage}`);
      const { shape, values } = tensorOf(captured, stage);
      expect(shape.reduce((product, size) => product * size, 1)).toBe(values.length);
      const where = { run: name, stage, shape };
      expect(compareValues(where, values, expected.data, 1e-3)).toMatchObject({ ok: true });
    }
    const { shape, data } = golden('chat.inputs.input_ids');
    const tokens = name === 'chat' ? data.length : golden('two_turns.inputs.input_ids').data.length;
    expect(shape[0]).toBe(1);
    for (const state of states)
      expect(tensorOf(captured, state).shape).toEqual([1, tokens, model.model.text.hiddenSize]);
  });

  test('names are those of the graphs, with their shapes', async () => {
    const names = model.names();
    const { hiddenSize: C, numAttentionHeads: H, vocabSize: V } = model.model.text;
    const shapeOf = (name: string) => names.find((tensor) => tensor.name === name)?.shape;
    expect(shapeOf('hidden_states.0')).toEqual([1, 'S', C]);
    expect(shapeOf('layers.0.attention.probabilities')).toEqual([1, H, 'S', 'S']);
    expect(shapeOf('logits')).toEqual(['S', V]);
    expect(shapeOf('imageFeatures')).toEqual([16, C]);
    expect(shapeOf('vision.layers.0.attention.probabilities')).toEqual([1, 4, 17, 17]);
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
    // Everything that is listed can be read, and has the shape that the list says.
    const { tokenIds } = await model.readPrompt(requestOf('chat'));
    const captured = await model.capture(
      names.map(({ name }) => name),
      requestOf('chat'),
    );
    for (const { name, shape } of names) {
      const { shape: actual, values } = tensorOf(captured, name);
      expect([name, ...actual]).toEqual([
        name,
        ...shape.map((size) => (size === 'S' ? tokenIds.length : size)),
      ]);
      expect(values.every(Number.isFinite)).toBe(true);
    }
  });

  test('attention probabilities add up to one, and look at no later token', async () => {
    const names = ['vision.layers.0.attention.probabilities', 'layers.1.attention.probabilities'];
    const captured = await model.capture(names, requestOf('chat'));
    for (const name of names) {
      const { shape, values } = tensorOf(captured, name);
      const [, , S = 0, T = 0] = shape;
      for (let begin = 0; begin < values.length; begin += T) {
        const sum = values.subarray(begin, begin + T).reduce((total, value) => total + value, 0);
        expect(sum).toBeCloseTo(1, 5);
        if (name.startsWith('vision')) continue;
        const query = (begin / T) % S;
        expect(values.subarray(begin + query + 1, begin + T).every((value) => value === 0)).toBe(true);
      }
    }
  });

  test('queries leave the rows that were asked for, and an answer goes behind the prompt', async () => {
    const name = 'layers.0.attention.probabilities';
    const { tokenIds } = await model.readPrompt(requestOf('chat'));
    const answer = [68, 363, 613];
    const request = { ...requestOf('chat'), answer };
    const S = tokenIds.length + answer.length;
    const whole = tensorOf(await model.capture([name], request), name);
    const [, H = 0] = whole.shape;
    expect(whole.shape).toEqual([1, H, S, S]);
    const part = tensorOf(await model.capture([name], { ...request, queries: [S - 2, S] }), name);
    expect(part.shape).toEqual([1, H, 2, S]);
    const rows = Array.from({ length: H }, (_, h) => [
      ...whole.values.subarray((h * S + S - 2) * S, (h + 1) * S * S),
    ]);
    expect(compareValues({ run: '', stage: '', shape: [] }, part.values, rows.flat(), 1e-6).ok).toBe(true);
    // The model's own answer: each token is the likeliest after those before it.
    const logits = tensorOf(await model.capture(['logits'], request), 'logits');
    const [, V = 0] = logits.shape;
    const best = answer.map((_, i) => {
      const row = logits.values.subarray((tokenIds.length + i - 1) * V, (tokenIds.length + i) * V);
      return row.indexOf(Math.max(...row));
    });
    expect(best).toEqual(answer);
  });

  test('states read out by the final norm and the head are the logits after the last layer', async () => {
    const last = `hidden_states.${model.model.text.numHiddenLayers}.before_norm`;
    const captured = await model.capture([last, 'logits'], requestOf('chat'));
    const logits = await model.readOut(tensorOf(captured, last).values);
    const expected = tensorOf(captured, 'logits').values;
    expect(compareValues({ run: '', stage: '', shape: [] }, logits, expected, 1e-5)).toMatchObject({
      ok: true,
    });
    await expect(model.readOut(new Float32Array(5))).rejects.toThrow('got 5 values');
  });

  test('answers run through the same dispatches before and after, and nothing stays allocated', async () => {
    const device = getDevice();
    const answer = () => model.generate({ ...requestOf('chat'), greedy: true, maxNewTokens: 3, seed: 1 });
    await answer(); // Its plans are compiled, its picture's features cached.
    await model.capture(['vision.selected_layer'], requestOf('chat')); // The tower's last layer is loaded.
    const liveBytes = device.memory.liveBytes;
    const before = await dispatchesOf(device, answer);
    const captured = await dispatchesOf(device, () =>
      model.capture(['layers.0.attention.probabilities', 'projector.output'], requestOf('chat')),
    );
    const after = await dispatchesOf(device, answer);
    expect(before.length).toBeGreaterThan(20);
    expect(after).toEqual(before);
    expect(captured.length).toBeGreaterThan(20);
    expect(captured.filter((dispatch) => dispatch.startsWith('decoder'))).toEqual([]);
    // Tokens are read through 8 bytes each, and whether two are under way at once is a matter of moments.
    expect([0, 8]).toContain(device.memory.liveBytes - liveBytes);
  });

  test('a name that is not there, a picture that is missing and a prompt that is too long are refused', async () => {
    const capture = (...names: string[]) => model.capture(names, { prompt: 'Hello', raw: true });
    await expect(capture('hidden_states.1', 'hiden_states.0')).rejects.toThrow(
      'Did you mean "hidden_states.0"?',
    );
    await expect(capture('something else entirely')).rejects.toThrow('names() lists them all');
    await expect(capture('vision.selected_layer')).rejects.toThrow('the prompt has no picture');
    const long = { ...requestOf('chat'), answer: new Array<number>(5000).fill(5) };
    await expect(model.capture(['logits'], long)).rejects.toThrow(InputError);
    await expect(model.capture(['logits'], { ...requestOf('chat'), queries: [3, 3] })).rejects.toThrow(
      'queries are 3 to 3',
    );
  });
});
