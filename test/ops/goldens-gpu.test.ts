import { expect, test } from 'vitest';
import { compile } from '../../src/compile/compile.ts';
import type { FloatDType } from '../../src/core/dtype.ts';
import type { Device } from '../../src/device/gpu-device.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { HostArray } from '../../src/runtime/host-array.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { describeOnAdapters } from '../adapters.ts';
import { GOLDEN_FAMILIES } from './golden-builders/index.ts';
import { type GoldenBuilders, goldenTensor, itemLabel } from './golden-call.ts';
import { buildFamily, type GoldenFamily, relativeError } from './golden-family.ts';
import { BEYOND_F16, GOLDEN_TOLERANCE, INEXACT_GOLDENS } from './golden-tolerances.ts';

const DTYPES = ['f32', 'f16'] as const;

describeOnAdapters('golden operations', (getDevice) => {
  const cases = DTYPES.flatMap((dtype) =>
    Object.entries(GOLDEN_FAMILIES).map(([name, builders]) => [name, dtype, builders] as const),
  );
  test.for(cases)('%s in %s', async ([, dtype, builders], { annotate, skip }) => {
    const device = getDevice();
    skip(dtype === 'f16' && !device.caps.features.shaderF16, 'the adapter lacks shader-f16');
    const errors = await familyErrors(device, builders, dtype);
    await annotate(errors.map(({ label, error }) => `${label}: ${error.toExponential(1)}`).join(', '));
    expect(errors.filter(({ error }) => !(error <= GOLDEN_TOLERANCE[dtype]))).toEqual([]);
  });
});

interface ItemError {
  readonly label: string;
  readonly error: number;
}

async function familyErrors(
  device: Device,
  builders: GoldenBuilders,
  dtype: FloatDType,
): Promise<ItemError[]> {
  const family = buildFamily(builders, dtype);
  const results = await runFamily(device, family);
  const exact = interpret(family.graph, family.inputs).outputs;
  return family.items.map((item) => {
    const label = itemLabel(item);
    const standsIn = label in INEXACT_GOLDENS || (dtype === 'f16' && label in BEYOND_F16);
    const expected = standsIn ? exact.get(item.output) : goldenTensor(item.output).data;
    return { label, error: relativeError(results[item.output] ?? [], expected ?? []) };
  });
}

async function runFamily(
  device: Device,
  { graph, inputs }: GoldenFamily,
): Promise<Readonly<Record<string, HostArray>>> {
  const plan = compile(graph, device.caps);
  const weights = createWeightStore(device, new Map());
  const states = createStateStore(device);
  const session = await createSession(device, plan, { weights, states });
  try {
    return await session.runAndRead(inputs, [...plan.outputs.keys()]);
  } finally {
    for (const part of [session, weights, states]) part.dispose();
  }
}
