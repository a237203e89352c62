import { describe, expect, test } from 'vitest';
import { InputError, invariant } from '../../src/core/errors.ts';
import { elementCount, type Shape } from '../../src/core/shape.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { mul } from '../../src/graph/math.ts';
import { cast } from '../../src/graph/movement.ts';
import { sumAll } from '../../src/models/losses/blocks.ts';
import type { OptimizerOptions } from '../../src/train/optimizer.ts';
import { createTrainer, type Trainer, type TrainerOptions } from '../../src/train/trainer.ts';
import { type BuildLoss, buildTrainingGraphs } from '../../src/train/training-graph.ts';
import type { TensorIndex } from '../../src/weights/safetensors.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { describeOnAdapters } from '../adapters.ts';
import { floatEntry } from '../models/part.ts';
import { goldenTensor } from '../ops/golden-call.ts';
import { relativeError } from '../ops/golden-family.ts';
import { CLASSIFIER_WEIGHTS, classifier, points } from './classifier.ts';

const ADAM = { kind: 'adamw', weightDecay: 0, decoupled: false } as const;
const OPTIMIZERS: Readonly<Record<string, { readonly optimizer: OptimizerOptions; readonly rate: number }>> =
  {
    adamw: { optimizer: { kind: 'adamw', beta2: 0.98, eps: 1e-6, weightDecay: 0.1 }, rate: 0.01 },
    adam: { optimizer: ADAM, rate: 0.01 },
    sgd: { optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 0.01 }, rate: 0.1 },
  };

/** Of torch's parameters, relative to their RMS. */
const F64_TOLERANCE = 1e-6;
const TOLERANCE = 1e-5;

/** Σ w g: its gradient with respect to w is g. */
const linearLoss =
  (shape: Shape): BuildLoss =>
  (graph, w) =>
    sumAll(mul(w.get('w', shape), graph.input('g', shape, 'f32')));

function golden(kind: string) {
  const start = goldenTensor(`optimizer.${kind}.start`);
  const size = elementCount(start.shape);
  const rows = (name: string): Float32Array[] => {
    const all = goldenTensor(`optimizer.${kind}.${name}`).data as Float32Array;
    return Array.from({ length: all.length / size }, (_, i) => all.slice(i * size, (i + 1) * size));
  };
  const index: TensorIndex = new Map([['w', floatEntry('w', start.shape, start.data as Float32Array)]]);
  return {
    shape: start.shape,
    start: start.data,
    index,
    gradients: rows('grads'),
    trajectory: rows('trajectory'),
  };
}

describe.each(Object.entries(OPTIMIZERS))('%s in f64', (kind, { optimizer, rate }) => {
  test('takes the steps of torch', () => {
    const { shape, start, index, gradients, trajectory } = golden(kind);
    const { batch } = buildTrainingGraphs(linearLoss(shape), weightScope(index, 'golden'), { optimizer });
    // Updates return their states, which the interpreter does not keep: they are handed to the next step.
    const updates = batch.nodes.filter(({ op }) => op.traits.writesAlias);
    const names = new Map<string, string>();
    for (const { inputs, outputs } of updates) {
      for (const [name, tensor] of Object.entries(outputs)) {
        const source = inputs[name]?.source;
        if (source?.kind !== 'state') continue;
        names.set(source.name, source.name);
        batch.output(source.name, tensor);
      }
    }
    expect(names.size).toBe(kind === 'sgd' ? 3 : 4);
    let states: Record<string, ArrayLike<number>> = {
      'parameter.w': start,
      'training.progress': [0, 1, 0, 0],
    };
    gradients.forEach((gradient, step) => {
      const { outputs } = interpret(batch, { ...states, g: gradient, 'training.learningRate': [rate] });
      states = Object.fromEntries([...names.keys()].map((name) => [name, outputs.get(name) ?? []]));
      expect(relativeError(states['parameter.w'] ?? [], trajectory[step] ?? [])).toBeLessThan(F64_TOLERANCE);
    });
  });
});

const SGD = { kind: 'sgd' } as const;

async function withTrainer<T>(
  device: Device,
  options: TrainerOptions,
  use: (trainer: Trainer) => Promise<T>,
  build: BuildLoss = classifier,
  index: TensorIndex = CLASSIFIER_WEIGHTS,
): Promise<T> {
  const trainer = await createTrainer(device, build, index, options);
  try {
    return await use(trainer);
  } finally {
    trainer.dispose();
  }
}

async function parameters(trainer: Trainer): Promise<Readonly<Record<string, Float32Array>>> {
  const names = [...trainer.trainables.keys()];
  const values = await trainer.readStates(names.map((name) => `parameter.${name}`));
  return Object.fromEntries(
    names.map((name) => [name, values.get(`parameter.${name}`) ?? new Float32Array()]),
  );
}

const norm = (values: readonly Float32Array[]): number =>
  Math.sqrt(values.reduce((sum, list) => sum + list.reduce((s, v) => s + v * v, 0), 0));

/** What SGD with rate 1 and no momentum subtracts: the gradients it used, by name. */
async function gradientsUsed(
  device: Device,
  options: Omit<TrainerOptions, 'optimizer'>,
  seeds: readonly number[],
) {
  return withTrainer(device, { ...options, optimizer: SGD }, async (trainer) => {
    const before = await parameters(trainer);
    const report = await trainer.step(seeds.map(points), 1);
    const after = await parameters(trainer);
    const used = Object.fromEntries(
      Object.entries(before).map(([name, values]) => [
        name,
        values.map((v, i) => v - (after[name]?.[i] ?? 0)),
      ]),
    );
    return { used, report };
  });
}

describeOnAdapters('a trainer', (getDevice) => {
  test.each(Object.entries(OPTIMIZERS))(
    'with %s takes the steps of torch',
    async (kind, { optimizer, rate }) => {
      const { shape, index, gradients, trajectory } = golden(kind);
      const build = linearLoss(shape);
      await withTrainer(
        getDevice(),
        { optimizer },
        async (trainer) => {
          for (const [step, g] of gradients.entries()) {
            const report = await trainer.step([{ g }], rate);
            expect(report.steps).toBe(step + 1);
            expect(report.gradientNorm).toBeCloseTo(norm([g]), 4);
            const { w } = await parameters(trainer);
            expect(relativeError(w ?? [], trajectory[step] ?? [])).toBeLessThan(TOLERANCE);
          }
        },
        build,
        index,
      );
    },
  );

  test('learns, and the same twice to the last bit', async () => {
    const run = () =>
      withTrainer(getDevice(), { optimizer: { kind: 'adamw' }, clipNorm: 1 }, async (trainer) => {
        // Not awaited one by one: steps queue up.
        const reports = await Promise.all(Array.from({ length: 60 }, () => trainer.step([points(1)], 0.02)));
        return { losses: reports.map(({ loss }) => loss), parameters: await parameters(trainer) };
      });
    const [first, second] = [await run(), await run()];
    expect(first.losses[0]).toBeGreaterThan(1);
    expect(first.losses.at(-1)).toBeLessThan(0.3);
    expect(second).toEqual(first);
  });

  test('clips all gradients together to a norm', async () => {
    const { used, report } = await gradientsUsed(getDevice(), {}, [1]);
    expect(norm(Object.values(used))).toBeCloseTo(report.gradientNorm, 5);
    const limit = report.gradientNorm / 3;
    const clipped = await gradientsUsed(getDevice(), { clipNorm: limit }, [1]);
    expect(clipped.report.gradientNorm).toBeCloseTo(report.gradientNorm, 6);
    expect(norm(Object.values(clipped.used))).toBeCloseTo(limit, 4);
    const loose = await gradientsUsed(getDevice(), { clipNorm: 3 * report.gradientNorm }, [1]);
    expect(loose.used).toEqual(used);
  });

  test('takes the mean of several batches', async () => {
    const [one, other] = [
      await gradientsUsed(getDevice(), {}, [1]),
      await gradientsUsed(getDevice(), {}, [2]),
    ];
    const both = await gradientsUsed(getDevice(), { batchesPerStep: 2 }, [1, 2]);
    for (const [name, values] of Object.entries(both.used)) {
      const mean = values.map((_, i) => ((one.used[name]?.[i] ?? 0) + (other.used[name]?.[i] ?? 0)) / 2);
      expect(relativeError(values, mean)).toBeLessThan(1e-4);
    }
    expect(both.report.loss).toBeCloseTo((one.report.loss + other.report.loss) / 2, 6);
  });

  test('starts the sum of gradients anew with each step', async () => {
    await withTrainer(getDevice(), { optimizer: SGD, batchesPerStep: 2 }, async (trainer) => {
      // A rate of 0 changes nothing, so that both steps have the same gradients.
      const first = await trainer.step([points(1), points(2)], 0);
      const second = await trainer.step([points(1), points(2)], 0);
      expect(second.gradientNorm).toBe(first.gradientNorm);
    });
  });

  test('leaves frozen weights alone', async () => {
    await withTrainer(getDevice(), { optimizer: SGD, trainable: /^second\./ }, async (trainer) => {
      expect([...trainer.trainables.keys()]).toEqual(['second.weight', 'second.bias']);
      expect(trainer.stateNames).toEqual(
        expect.arrayContaining(['parameter.second.bias', 'velocity.second.bias']),
      );
      expect(trainer.stateNames.some((name) => name.includes('first'))).toBe(false);
      const { loss } = await trainer.step([points(1)], 0.5);
      expect((await trainer.step([points(1)], 0.5)).loss).toBeLessThan(loss);
    });
  });

  test('refuses to train nothing', async () => {
    const training = createTrainer(getDevice(), classifier, CLASSIFIER_WEIGHTS, {
      optimizer: SGD,
      trainable: /^third/,
    });
    await expect(training).rejects.toThrow(InputError);
    await expect(training).rejects.toThrow('no weight of the model is trained');
  });

  test('with adapters begins at the frozen weights, and trains the adapters alone', async () => {
    const whole = await withTrainer(getDevice(), { optimizer: SGD }, (trainer) =>
      trainer.step([points(1)], 0),
    );
    const lora = { weights: /weight$/, rank: 2, alpha: 4 };
    await withTrainer(getDevice(), { optimizer: { kind: 'adamw' }, lora, seed: 3 }, async (trainer) => {
      expect([...trainer.trainables.keys()].toSorted()).toEqual(
        ['first', 'second'].flatMap((layer) => [`${layer}.weight.lora_A`, `${layer}.weight.lora_B`]),
      );
      expect(trainer.adapters.get('first.weight')).toMatchObject({ rank: 2, factor: 2 });
      const before = await parameters(trainer);
      expect(before['first.weight.lora_B']?.every((value) => value === 0)).toBe(true);
      expect(norm([before['first.weight.lora_A'] ?? new Float32Array()])).toBeGreaterThan(0.1);
      const reports = [];
      for (let step = 0; step < 30; step++) reports.push(await trainer.step([points(1)], 0.02));
      expect(reports[0]?.loss).toBeCloseTo(whole.loss, 5);
      expect(reports.at(-1)?.loss).toBeLessThan(whole.loss / 2);
    });
  });

  test('skips a step whose gradients are not finite, and halves the scale', async () => {
    const options = {
      optimizer: { kind: 'adamw' },
      lossScaling: { initial: 1024, growthInterval: 2 },
    } as const;
    await withTrainer(getDevice(), options, async (trainer) => {
      const good = points(1);
      const bad = { ...good, x: good.x.map(() => Number.POSITIVE_INFINITY) };
      const scales: number[] = [];
      const first = await trainer.step([good], 0.01);
      scales.push(first.lossScale);
      const before = await trainer.readStates(trainer.stateNames);
      const overflow = await trainer.step([bad], 0.01);
      scales.push(overflow.lossScale);
      expect(overflow).toMatchObject({ steps: 1, skipped: 1 });
      const after = await trainer.readStates(trainer.stateNames);
      for (const name of trainer.stateNames.filter((state) => state !== 'training.progress'))
        expect(after.get(name)).toEqual(before.get(name));
      for (let step = 0; step < 3; step++) scales.push((await trainer.step([good], 0.01)).lossScale);
      // Halved by the overflow, doubled after two finite steps.
      expect(scales).toEqual([1024, 1024, 512, 512, 1024]);
    });
    const [plain, scaled] = [
      await gradientsUsed(getDevice(), {}, [1]),
      await gradientsUsed(getDevice(), { lossScaling: { initial: 4096 } }, [1]),
    ];
    for (const [name, values] of Object.entries(scaled.used))
      expect(relativeError(values, plain.used[name] ?? [])).toBeLessThan(1e-4);
    expect(scaled.report.loss).toBeCloseTo(plain.report.loss, 6);
  });

  test('keeps f32 values of matrices that are f16 in the passes', async ({ skip }) => {
    const device = getDevice();
    skip(!device.caps.features.shaderF16, 'the adapter lacks shader-f16');
    const tiny = 1e-6;
    await withTrainer(device, { optimizer: SGD, weights: 'f16' }, async (trainer) => {
      const before = await parameters(trainer);
      const { gradientNorm } = await trainer.step([points(1)], tiny);
      const after = await parameters(trainer);
      const moved = norm(
        Object.entries(before).map(([name, values]) => values.map((v, i) => v - (after[name]?.[i] ?? 0))),
      );
      // Steps far below the spacing of f16 are kept.
      expect(moved / (tiny * gradientNorm)).toBeGreaterThan(0.8);
      const reports = await Promise.all(Array.from({ length: 40 }, () => trainer.step([points(1)], 0.5)));
      expect(reports.at(-1)?.loss).toBeLessThan(0.8);
    });
  });

  test('holds a parameter below its largest value', async () => {
    const index: TensorIndex = new Map([['w', floatEntry('w', [2], Float32Array.of(1, -1))]]);
    const build: BuildLoss = (graph, w) =>
      sumAll(mul(cast(w.get('w', [2]), 'f32'), graph.input('g', [2], 'f32')));
    await withTrainer(
      getDevice(),
      { optimizer: ADAM, largest: { w: 1.05 } },
      async (trainer) => {
        for (let step = 0; step < 4; step++) await trainer.step([{ g: Float32Array.of(-1, -1) }], 0.1);
        const { w } = await parameters(trainer);
        invariant(w, 'a parameter');
        expect(w[0]).toBeCloseTo(1.05, 6);
        expect(w[1]).toBeCloseTo(-0.6, 4);
      },
      build,
      index,
    );
  });
});
