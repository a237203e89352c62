import { describe, expect, test } from 'vitest';
import { interpret } from '../../src/graph/interpret.ts';
import { GOLDEN_ELSEWHERE, GOLDEN_FAMILIES } from './golden-builders/index.ts';
import { GOLDEN_ITEMS, goldenTensor, itemLabel } from './golden-call.ts';
import { buildFamily, relativeError } from './golden-family.ts';
import { INEXACT_GOLDENS } from './golden-tolerances.ts';

/** The f64 references leave only the golden's own f32 rounding. */
const TOLERANCE = 1e-5;

test('every operation of the golden is compared or set aside with a reason, and none twice', () => {
  const handled = [...Object.values(GOLDEN_FAMILIES).flatMap(Object.keys), ...Object.keys(GOLDEN_ELSEWHERE)];
  const golden = new Set(GOLDEN_ITEMS.map(({ op }) => op));
  expect(handled.toSorted()).toEqual([...golden].toSorted());
});

describe.each(Object.entries(GOLDEN_FAMILIES))('%s in f64', (_name, builders) => {
  const { graph, inputs, items } = buildFamily(builders, 'f32');
  const { outputs } = interpret(graph, inputs);

  test.each(items.map((item) => [itemLabel(item), item] as const))('%s', (label, { output }) => {
    expect(relativeError(outputs.get(output) ?? [], goldenTensor(output).data)).toBeLessThan(
      INEXACT_GOLDENS[label] ?? TOLERANCE,
    );
  });
});
