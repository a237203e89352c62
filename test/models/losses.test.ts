import { describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { compileTraining } from '../../src/compile/compile.ts';
import { invariant } from '../../src/core/errors.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { crossEntropy } from '../../src/graph/cross-entropy.ts';
import { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { linear } from '../../src/graph/linear.ts';
import { reshape, slice } from '../../src/graph/movement.ts';
import { l2Normalize } from '../../src/graph/reduce.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { cosineLoss, cosineSimilarity } from '../../src/models/losses/cosine-similarity.ts';
import { infoNce } from '../../src/models/losses/info-nce.ts';
import { nextTokenLoss, vocabularyLoss } from '../../src/models/losses/next-token-loss.ts';
import { sigmoidLoss } from '../../src/models/losses/sigmoid-loss.ts';
import type { HostArray } from '../../src/runtime/host-array.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { testCaps } from '../compile/caps.ts';
import { randomSource } from '../compile/random.ts';
import { goldenTensor } from '../ops/golden-call.ts';
import { relativeError } from '../ops/golden-family.ts';
import { readGoldenJson, readGoldenTensors } from '../read-golden.ts';

/** The f64 interpreter leaves only the golden's own f32 rounding. */
const F64_TOLERANCE = 2e-5;
const TOLERANCE = 1e-3;

const golden = readGoldenTensors('infonce/reference.safetensors');
const { runs } = readGoldenJson<{ readonly runs: readonly { readonly index: number; readonly n: number }[] }>(
  'infonce/reference.json',
);

/** A graph, its inputs, and what its outputs are to be, by name. */
interface LossCase {
  readonly graph: Graph;
  readonly inputs: Readonly<Record<string, HostArray>>;
  readonly expected: Readonly<Record<string, ArrayLike<number>>>;
}

const KINDS = ['symmetric', 'image_to_text', 'sigmoid'] as const;

/** Loss and gradients of a run of the golden, in blocks of so many rows. */
function goldenCase(index: number, kind: (typeof KINDS)[number], rowsPerBlock: number): LossCase {
  const graph = new Graph();
  const source = (name: string): Tensor => graph.input(name, golden(`${index}.${name}`).shape, 'f32');
  const wrt = { image: source('image'), text: source('text'), log_scale: source('log_scale') };
  const bias = kind === 'sigmoid' ? { bias: source('bias') } : undefined;
  const batch = { image: l2Normalize(wrt.image), text: l2Normalize(wrt.text), logScale: wrt.log_scale };
  const loss = bias
    ? sigmoidLoss({ ...batch, ...bias }, { rowsPerBlock })
    : infoNce(batch, { direction: kind === 'symmetric' ? 'symmetric' : 'imageToText', rowsPerBlock });
  const names = Object.keys({ ...wrt, ...bias });
  graph.output('loss', loss);
  grad(loss, Object.values({ ...wrt, ...bias })).forEach((gradient, i) => {
    graph.output(`grad_${names[i]}`, gradient);
  });
  const values = (name: string): Float32Array => golden(name).data as Float32Array;
  return {
    graph,
    inputs: Object.fromEntries(names.map((name) => [name, values(`${index}.${name}`)])),
    expected: Object.fromEntries(
      ['loss', ...names.map((name) => `grad_${name}`)].map((name) => [
        name,
        values(`${index}.${kind}.${name}`),
      ]),
    ),
  };
}

const GOLDEN_CASES = runs.flatMap(({ index, n }) =>
  KINDS.flatMap((kind) =>
    [1, 2, n].map((rows) => [`run ${index} ${kind}, blocks of ${rows}`, index, kind, rows] as const),
  ),
);

/** torch's cross entropy of an item without label smoothing, the head being the identity. */
function vocabularyCase(columnsPerBlock: number): LossCase {
  const graph = new Graph();
  const [logits, labels] = [goldenTensor('cross_entropy.0.logits'), goldenTensor('cross_entropy.0.labels')];
  const [, V = 1] = logits.shape;
  const x = graph.input('x', logits.shape, 'f32');
  const identity = Float32Array.from({ length: V * V }, (_, i) => (i % (V + 1) === 0 ? 1 : 0));
  const head = graph.input('head', [V, V], 'f32');
  const loss = vocabularyLoss(x, head, graph.input('labels', labels.shape, 'i32'), { columnsPerBlock });
  graph.output('loss', loss);
  const [dx] = grad(loss, [x]);
  invariant(dx, 'x has a gradient');
  graph.output('grad_x', dx);
  const seed = goldenTensor('cross_entropy.0.grad_out').data[0] ?? Number.NaN;
  return {
    graph,
    inputs: { x: logits.data as Float32Array, head: identity, labels: Int32Array.from(labels.data) },
    expected: {
      loss: goldenTensor('cross_entropy.0.out').data,
      grad_x: (goldenTensor('cross_entropy.0.grad_logits').data as Float32Array).map((value) => value / seed),
    },
  };
}

function errorsOf(
  expected: LossCase['expected'],
  values: (name: string) => ArrayLike<number> | undefined,
  tolerance: number,
): string[] {
  return Object.entries(expected).flatMap(([name, wanted]) => {
    const error = relativeError(values(name) ?? [], wanted);
    return error <= tolerance ? [] : [`${name}: ${error}`];
  });
}

async function runOn(device: Device, graph: Graph, inputs: LossCase['inputs'], outputs: readonly string[]) {
  const weights = createWeightStore(device, new Map());
  const states = createStateStore(device);
  const session = await createSession(device, compileTraining(graph, device.caps), { weights, states });
  try {
    return await session.runAndRead(inputs, outputs);
  } finally {
    for (const part of [session, weights, states]) part.dispose();
  }
}

describe('contrastive losses in f64', () => {
  test.each(GOLDEN_CASES)('%s: loss and gradients are those of torch', (_label, index, kind, rows) => {
    const { graph, inputs, expected } = goldenCase(index, kind, rows);
    const { outputs } = interpret(graph, inputs);
    expect(errorsOf(expected, (name) => outputs.get(name), F64_TOLERANCE)).toEqual([]);
  });

  test('cosines are those of torch, and of equal features the loss is -1', () => {
    const graph = new Graph();
    const [image, text] = ['image', 'text'].map((name) =>
      graph.input(name, golden(`1.${name}`).shape, 'f32'),
    );
    invariant(image && text, 'two inputs');
    graph.output('cosine', cosineSimilarity(image, text));
    graph.output('self', cosineLoss(image, image));
    graph.output('other', cosineLoss(image, text));
    const { outputs } = interpret(graph, { image: golden('1.image').data, text: golden('1.text').data });
    const cosine = golden('1.cosine').data as Float32Array;
    const diagonal = cosine.reduce((total, value, i) => (i % 9 === 0 ? total + value : total), 0);
    expect(relativeError(outputs.get('cosine') ?? [], cosine)).toBeLessThan(F64_TOLERANCE);
    expect(outputs.get('self')?.[0]).toBeCloseTo(-1, 12);
    expect(outputs.get('other')?.[0]).toBeCloseTo(-diagonal / 8, 6);
  });

  test('a scale over 100 counts as 100', () => {
    const lossAt = (logScale: number): number => {
      const { graph, inputs } = goldenCase(1, 'symmetric', 8);
      return interpret(graph, { ...inputs, log_scale: [logScale] }).outputs.get('loss')?.[0] ?? Number.NaN;
    };
    expect(lossAt(7)).toBe(lossAt(Math.log(100)));
    expect(lossAt(4)).not.toBe(lossAt(Math.log(100)));
  });
});

describe('losses over a vocabulary in f64', () => {
  test.each([1, 3, 1000])('blocks of %i columns: loss and gradient are those of torch', (columns) => {
    const { graph, inputs, expected } = vocabularyCase(columns);
    const { outputs } = interpret(graph, inputs);
    expect(errorsOf(expected, (name) => outputs.get(name), F64_TOLERANCE)).toEqual([]);
  });
});

/** The loss of a small language model's last step, by blocks or from whole logits. */
function nextTokenCase(columnsPerBlock: number | undefined) {
  const [B, S, C, V] = [2, 7, 12, 23];
  const graph = new Graph();
  const hidden = graph.input('hidden', [B, S, C], 'f32');
  const head = graph.input('head', [V, C], 'f32');
  const labels = graph.input('labels', [B, S], 'i32');
  const whole = (): Tensor => {
    const logits = linear(reshape(slice(hidden, 1, 0, S - 1), [B * (S - 1), C]), head);
    return crossEntropy(logits, reshape(slice(labels, 1, 1), [B * (S - 1)]));
  };
  const loss = columnsPerBlock ? nextTokenLoss(hidden, head, labels, { columnsPerBlock }) : whole();
  graph.output('loss', loss);
  grad(loss, [hidden, head]).forEach((gradient, i) => {
    graph.output(i === 0 ? 'grad_hidden' : 'grad_head', gradient);
  });
  const draw = randomSource(3);
  const floats = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * draw() - 1);
  const inputs = {
    hidden: floats(B * S * C),
    head: floats(V * C),
    labels: Int32Array.from({ length: B * S }, (_, i) => (i % 5 === 3 ? -100 : Math.floor(draw() * V))),
  };
  return { graph, inputs };
}

describeOnAdapters('losses', (getDevice) => {
  test.each(GOLDEN_CASES)('%s: loss and gradients are those of torch', async (_label, index, kind, rows) => {
    const { graph, inputs, expected } = goldenCase(index, kind, rows);
    const values = await runOn(getDevice(), graph, inputs, Object.keys(expected));
    expect(errorsOf(expected, (name) => values[name], TOLERANCE)).toEqual([]);
  });

  test.each([3, 1000])('over a vocabulary in blocks of %i are those of torch', async (columns) => {
    const { graph, inputs, expected } = vocabularyCase(columns);
    const values = await runOn(getDevice(), graph, inputs, Object.keys(expected));
    expect(errorsOf(expected, (name) => values[name], TOLERANCE)).toEqual([]);
  });

  test.each([1, 8, 100])('of next tokens in blocks of %i are those of whole logits', async (columns) => {
    const { graph: wholeGraph, inputs } = nextTokenCase(undefined);
    const exact = interpret(wholeGraph, inputs).outputs;
    const { graph } = nextTokenCase(columns);
    const inBlocks = interpret(graph, inputs).outputs;
    const values = await runOn(getDevice(), graph, inputs, [...exact.keys()]);
    const expected = Object.fromEntries(exact);
    expect(errorsOf(expected, (name) => inBlocks.get(name), 1e-12)).toEqual([]);
    expect(errorsOf(expected, (name) => values[name], TOLERANCE)).toEqual([]);
  });
});

/** Scratch memory of loss and gradients for N pairs, or a vocabulary of V. */
function scratchBytes(
  build: (graph: Graph) => { readonly loss: Tensor; readonly wrt: readonly Tensor[] },
): number {
  const graph = new Graph();
  const { loss, wrt } = build(graph);
  graph.output('loss', loss);
  grad(loss, wrt).forEach((gradient, i) => {
    graph.output(`grad.${i}`, gradient);
  });
  const { buffers } = compileTraining(graph, testCaps());
  return buffers.reduce((total, { kind, byteLength }) => (kind === 'arena' ? total + byteLength : total), 0);
}

describe('memory of losses in blocks', () => {
  const contrastive = (N: number, rowsPerBlock: number | undefined, isSigmoid = false): number =>
    scratchBytes((graph) => {
      const [image, text] = [graph.input('image', [N, 64], 'f32'), graph.input('text', [N, 64], 'f32')];
      const [logScale, bias] = [graph.input('logScale', [1], 'f32'), graph.input('bias', [1], 'f32')];
      const loss = isSigmoid
        ? sigmoidLoss({ image, text, logScale, bias }, { rowsPerBlock })
        : infoNce({ image, text, logScale }, { rowsPerBlock });
      return { loss, wrt: [image, text, logScale] };
    });

  test.each([false, true])('of contrastive ones grows with N, not N² (sigmoid: %s)', (isSigmoid) => {
    const [small, middle, large] = [1024, 2048, 4096].map((N) => contrastive(N, 128, isSigmoid));
    invariant(small && middle && large, 'three sizes');
    // Twice the batch takes twice the memory, and a sum per column and block of 128 rows; all logits would take four times.
    expect(middle / small).toBeLessThan(2.4);
    expect(large / middle).toBeLessThan(2.4);
  });

  test('a batch of 4,096 takes less than one matrix of its logits', () => {
    const logitsBytes = 4 * 4096 ** 2;
    expect(contrastive(4096, 4096)).toBeGreaterThan(2 * logitsBytes);
    expect(contrastive(4096, undefined)).toBeLessThan(logitsBytes / 2);
    expect(contrastive(4096, undefined, true)).toBeLessThan(logitsBytes / 2);
  });

  test('logits over a vocabulary of 32,768 are never whole', () => {
    const [N, C, V] = [512, 32, 32768];
    const bytes = (columnsPerBlock: number | undefined): number =>
      scratchBytes((graph) => {
        const x = graph.input('x', [N, C], 'f32');
        const head = graph.input('head', [V, C], 'f32');
        const loss = vocabularyLoss(x, head, graph.input('labels', [N], 'i32'), { columnsPerBlock });
        return { loss, wrt: [x, head] };
      });
    const logitsBytes = 4 * N * V;
    expect(bytes(V)).toBeGreaterThan(logitsBytes);
    // The gradient of the head in blocks, joined and summed, and a block of logits.
    expect(bytes(undefined)).toBeLessThan(logitsBytes / 2);
  });
});
