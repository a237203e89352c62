import { describe, expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { compileTraining } from '../../src/compile/compile.ts';
import { invariant } from '../../src/core/errors.ts';
import { interpret } from '../../src/graph/interpret.ts';
import { mul } from '../../src/graph/math.ts';
import { reduceSum } from '../../src/graph/reduce.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { HostArray } from '../../src/runtime/host-array.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { GOLDEN_FAMILIES } from '../ops/golden-builders/index.ts';
import { type GoldenBuilders, goldenTensor, itemLabel } from '../ops/golden-call.ts';
import { buildFamily, relativeError } from '../ops/golden-family.ts';
import { goldenTensorNames } from '../read-golden.ts';

/** The f64 interpreter leaves only the golden's own f32 rounding. */
const F64_TOLERANCE = 2e-5;
/** Of torch's gradient, relative to its RMS. */
const TOLERANCE = 1e-3;

const NAMES = goldenTensorNames('ops/reference.safetensors');

/** A family with the gradients of all of its items, as outputs by the names the golden has for them. */
function buildGradients(builders: GoldenBuilders) {
  const { graph, inputs: values, items } = buildFamily(builders, 'f32');
  const inputs: Record<string, HostArray> = { ...values };
  const gradients: string[] = [];
  for (const item of items) {
    const label = itemLabel(item);
    if (!NAMES.has(`${label}.grad_out`)) continue;
    const y = graph.outputs.get(item.output);
    invariant(y, `${label} has an output`);
    const seed = goldenTensor(`${label}.grad_out`);
    inputs[`${label}.grad_out`] = seed.data as Float32Array;
    const weighted = mul(y, graph.input(`${label}.grad_out`, seed.shape, 'f32'));
    const loss =
      y.shape.length === 0
        ? weighted
        : reduceSum(
            weighted,
            y.shape.map((_, axis) => axis),
          );
    const recorded = item.inputs.filter((name) => NAMES.has(name.replace(/([^.]+)$/, 'grad_$1')));
    const wrt = recorded.map((name): Tensor => graph.input(name, goldenTensor(name).shape, 'f32'));
    grad(loss, wrt).forEach((gradient, i) => {
      const name = (recorded[i] ?? '').replace(/([^.]+)$/, 'grad_$1');
      graph.output(name, gradient);
      gradients.push(name);
    });
  }
  return { graph, inputs, gradients };
}

const errorsOf = (gradients: readonly string[], values: (name: string) => ArrayLike<number>) =>
  gradients.map((name) => ({ name, error: relativeError(values(name), goldenTensor(name).data) }));

test('nearly every operation of the golden has recorded gradients', () => {
  const counted = Object.values(GOLDEN_FAMILIES).flatMap((builders) => buildGradients(builders).gradients);
  expect(counted.length).toBeGreaterThan(95);
});

describe.each(Object.entries(GOLDEN_FAMILIES))('gradients of %s in f64', (_name, builders) => {
  test('agree with torch', () => {
    const { graph, inputs, gradients } = buildGradients(builders);
    const { outputs } = interpret(graph, inputs);
    const errors = errorsOf(gradients, (name) => outputs.get(name) ?? []);
    expect(errors.filter(({ error }) => !(error <= F64_TOLERANCE))).toEqual([]);
  });
});

describeOnAdapters('gradients', (getDevice) => {
  test.each(Object.entries(GOLDEN_FAMILIES))('of %s agree with torch', async (_name, builders) => {
    const device = getDevice();
    const { graph, inputs, gradients } = buildGradients(builders);
    const plan = compileTraining(graph, device.caps);
    const weights = createWeightStore(device, new Map());
    const states = createStateStore(device);
    const session = await createSession(device, plan, { weights, states });
    try {
      const values = await session.runAndRead(inputs, gradients);
      const errors = errorsOf(gradients, (name) => values[name] ?? []);
      expect(errors.filter(({ error }) => !(error <= TOLERANCE))).toEqual([]);
    } finally {
      for (const part of [session, weights, states]) part.dispose();
    }
  });
});
