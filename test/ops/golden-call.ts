import { invariant } from '../../src/core/errors.ts';
import type { Shape } from '../../src/core/shape.ts';
import type { ConstantData, Tensor } from '../../src/graph/tensor.ts';
import { type GoldenTensor, readGoldenJson, readGoldenTensors } from '../read-golden.ts';

/** One entry of the golden `ops`: an operation, its parameters, and the names of its tensors. */
export interface GoldenItem {
  readonly op: string;
  readonly index: number;
  readonly params: Readonly<Record<string, unknown>>;
  readonly inputs: readonly string[];
  readonly output: string;
}

export const GOLDEN_ITEMS = readGoldenJson<{ readonly items: readonly GoldenItem[] }>(
  'ops/reference.json',
).items;
export const goldenTensor = readGoldenTensors('ops/reference.safetensors');

/** What a builder makes its item's graph from; inputs go by the last part of their names, `weight`. */
export interface GoldenCall {
  /** Input of the graph: floats have the dtype under test, integers are i32. */
  input(name: string): Tensor;
  /** Values of an input that a model would make on the host, e.g. positions. */
  values(name: string): GoldenTensor;
  constant(name: string, data: ConstantData, shape: Shape): Tensor;
  number(param: string): number;
  /** Null also where the item lacks it. */
  numberOrNull(param: string): number | null;
  numbers(param: string): readonly number[];
  text(param: string): string;
}

export type GoldenBuilder = (call: GoldenCall) => Tensor;
/** How to build each operation, by its name in the golden. */
export type GoldenBuilders = Readonly<Record<string, GoldenBuilder>>;

export const itemLabel = ({ op, index }: GoldenItem): string => `${op}.${index}`;

/** The readers of `item.params` by kind: what the golden holds is checked where it is read. */
export function paramReaders(item: GoldenItem) {
  const read = <T>(name: string, kind: string, is: (value: unknown) => value is T): T => {
    const value = item.params[name];
    invariant(is(value), `${itemLabel(item)}: param ${name} is ${JSON.stringify(value)}, not ${kind}`);
    return value;
  };
  return {
    number: (name: string) => read(name, 'a number', isNumber),
    numberOrNull: (name: string) =>
      read(name, 'a number or null', (value) => value === undefined || value === null || isNumber(value)) ??
      null,
    numbers: (name: string) =>
      read(
        name,
        'a list of numbers',
        (value): value is number[] => Array.isArray(value) && value.every(isNumber),
      ),
    text: (name: string) => read(name, 'a text', (value) => typeof value === 'string'),
  };
}

const isNumber = (value: unknown): value is number => typeof value === 'number';
