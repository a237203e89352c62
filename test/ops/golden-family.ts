import type { FloatDType } from '../../src/core/dtype.ts';
import { invariant } from '../../src/core/errors.ts';
import { float16ToFloat32, float32ToFloat16 } from '../../src/core/float16.ts';
import { formatShape, sameShape } from '../../src/core/shape.ts';
import { Graph } from '../../src/graph/graph.ts';
import type { HostArray } from '../../src/runtime/host-array.ts';
import {
  GOLDEN_ITEMS,
  type GoldenBuilders,
  type GoldenItem,
  goldenTensor,
  itemLabel,
  paramReaders,
} from './golden-call.ts';

/** All items of a family in one graph, an output per item. */
export interface GoldenFamily {
  readonly graph: Graph;
  /** Values of the graph's inputs by name; f16 ones are rounded. */
  readonly inputs: Readonly<Record<string, HostArray>>;
  readonly items: readonly GoldenItem[];
}

export function buildFamily(builders: GoldenBuilders, dtype: FloatDType): GoldenFamily {
  const graph = new Graph();
  const inputs: Record<string, HostArray> = {};
  const items = GOLDEN_ITEMS.filter(({ op }) => op in builders);
  for (const item of items) {
    const label = itemLabel(item);
    const build = builders[item.op];
    invariant(build, `${label} has no builder`);
    const nameOf = (input: string): string => {
      const name = `${label}.${input}`;
      invariant(
        item.inputs.includes(name),
        `${label} has no input "${input}", but ${item.inputs.join(', ')}`,
      );
      return name;
    };
    const y = graph.scope(label, () =>
      build({
        ...paramReaders(item),
        values: (input) => goldenTensor(nameOf(input)),
        constant: (name, data, shape) => graph.constant(`${label}.${name}`, data, shape),
        input(input) {
          const name = nameOf(input);
          const { data, shape } = goldenTensor(name);
          const isFloat = data instanceof Float32Array;
          inputs[name] = isFloat ? roundTo(dtype, data) : Int32Array.from(data);
          return graph.input(name, shape, isFloat ? dtype : 'i32');
        },
      }),
    );
    const { shape } = goldenTensor(item.output);
    invariant(sameShape(y.shape, shape), `${label} is ${formatShape(y.shape)}, not ${formatShape(shape)}`);
    graph.output(item.output, y);
  }
  return { graph, inputs, items };
}

const roundTo = (dtype: FloatDType, values: Float32Array): Float32Array =>
  dtype === 'f16' ? values.map((value) => float16ToFloat32(float32ToFloat16(value))) : values;

/** Largest error over the RMS of `expected`; infinite where lengths or NaNs differ. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    const wanted = expected[i] ?? Number.NaN;
    const error = Math.abs((actual[i] ?? Number.NaN) - wanted);
    worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    squares += wanted * wanted;
  }
  return worst === 0 ? 0 : worst / Math.sqrt(squares / expected.length);
}
