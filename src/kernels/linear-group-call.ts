import { DTYPE_BYTES, isPacked, type PackedDType } from '../core/dtype.ts';
import { dim, elementCount } from '../core/shape.ts';
import { GROUP_BIASES, GROUP_WEIGHTS, groupWeights, type LinearGroupAttrs } from '../ops/linear-group.ts';
import { required } from '../ops/op.ts';
import { activationSnippets } from '../wgsl/activation.ts';
import type { ParamValues } from '../wgsl/params.ts';
import type { Snippet } from '../wgsl/wgsl.ts';
import type { Cost, KernelCall, KernelShape, OpCall, Variant } from './kernel.ts';
import { range } from './product-work.ts';
import type { ThreadSum } from './thread-sum.ts';

// What the kernels of `linearGroup` share. They serve one vector x, which is decoding.

export const linearGroupBindings = {
  x: 'read',
  norm: 'read?',
  w0: 'read',
  w1: 'read',
  w2: 'read?',
  b0: 'read?',
  b1: 'read?',
  b2: 'read?',
  y: 'write',
} as const;

/**
 * `tiles`: the greatest common divisor of the weights' rows. A tile has `share` rows of each weight, so that lanes never
 * part ways over which weight is theirs. `begin` is where a weight's products begin in y.
 */
export const linearGroupParams = {
  k: 'u32',
  n: 'u32',
  tiles: 'u32',
  begin1: 'u32',
  begin2: 'u32',
  eps: 'f32',
  offset: 'f32',
} as const;

export type LinearGroupCall = KernelCall<typeof linearGroupParams>;

/** Sums of one lane at most: beyond, registers spill. */
const MOST_COLUMNS = 12;

interface Prepared {
  readonly params: ParamValues<typeof linearGroupParams>;
  readonly variant: Variant;
}

export const prepareFloatGroup = (call: OpCall<LinearGroupAttrs>): Prepared | string =>
  groupWeights(call.inputs).some(({ dtype }) => isPacked(dtype))
    ? 'a weight is packed, which linear_group_packed_* read'
    : prepareGroup(call);

export const preparePackedGroup = (call: OpCall<LinearGroupAttrs>): Prepared | string => {
  const [first, ...rest] = groupWeights(call.inputs).map(({ dtype }) => dtype);
  const alike = first !== undefined && isPacked(first) && rest.every((dtype) => dtype === first);
  return alike ? prepareGroup(call) : 'the weights are not packed alike';
};

/** How the weights of a call that `preparePackedGroup` accepts are packed. */
export const groupPackedDType = ({ dtypes }: KernelShape): PackedDType => (dtypes.w0 === 'q4' ? 'q4' : 'q8');

function prepareGroup({ inputs, attrs }: OpCall<LinearGroupAttrs>): Prepared | string {
  const x = required(inputs, 'x', 'linear_group');
  const k = dim(x.shape, -1);
  if (elementCount(x.shape) !== k) return `${elementCount(x.shape) / k} rows of x; these kernels take one`;
  if (k % 4 !== 0) return `${k} features are not a multiple of 4`;
  const rows = groupWeights(inputs).map(({ shape }) => dim(shape, 0));
  const [first = 0, second = 0] = rows;
  const tiles = rows.reduce(commonDivisor);
  const shares = rows.map((count) => count / tiles);
  const columns = shares.reduce((sum, share) => sum + share, 0);
  if (columns > MOST_COLUMNS)
    return `${rows.join(' : ')} rows make ${columns} columns a tile, over ${MOST_COLUMNS}`;
  const n = attrs.join === 'gate' ? first : rows.reduce((sum, count) => sum + count, 0);
  return {
    params: {
      k,
      n,
      tiles,
      begin1: first,
      begin2: first + second,
      eps: attrs.norm?.eps ?? 0,
      offset: attrs.norm?.offset ?? 0,
    },
    variant: { join: attrs.join, activation: attrs.activation ?? 'none', shares: shares.join() },
  };
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));

/** One sum of a tile: row `tile * share + j` of weight `w`. */
export interface GroupColumn {
  readonly w: number;
  readonly share: number;
  readonly j: number;
}

/** The columns of `times` neighbouring tiles taken as one. */
export function groupColumns({ variant }: KernelShape, times: number): readonly GroupColumn[] {
  const shares = String(variant.shares).split(',').map(Number);
  return shares.flatMap((share, w) => range(share * times).map((j) => ({ w, share: share * times, j })));
}

/** Why `times` tiles cannot be taken as one; true where they can. */
export function supportsTimes({ params, variant }: LinearGroupCall, times: number): true | string {
  if (params.tiles % times !== 0) return `${params.tiles} tiles are not a multiple of ${times}`;
  const columns = groupColumns({ dtypes: {}, variant }, times).length;
  return columns <= MOST_COLUMNS || `${columns} columns a tile are over ${MOST_COLUMNS}`;
}

export const weightName = (w: number): string => GROUP_WEIGHTS[w] ?? '';

/** `storeRow(sum, w, row)` of row joins, `storeGate(gate, up, row)` of gates: bias, activation, y. */
export function groupStore({ dtypes, variant }: KernelShape): Snippet {
  const biased = (sum: string, w: number): string => {
    const bias = GROUP_BIASES[w] ?? '';
    return dtypes[bias] ? `${sum} + f32(${bias}[row])` : sum;
  };
  const activation = activationSnippets[variant.activation as keyof typeof activationSnippets];
  if (variant.join === 'gate') {
    const gate = biased('gate', 0);
    return {
      name: 'store',
      uses: activation ? [activation] : [],
      code: `
        fn storeGate(gate: f32, up: f32, row: u32) {
          y[row] = ${dtypes.y}(${activation ? `${activation.name}(${gate})` : `(${gate})`} * (${biased('up', 1)}));
        }
      `,
    };
  }
  const stores = range(3)
    .filter((w) => weightName(w) in dtypes)
    .map(
      (w) => `
        fn storeRow${w}(sum: f32, row: u32) {
          y[${w === 0 ? 'row' : `params.begin${w} + row`}] = ${dtypes.y}(${biased('sum', w)});
        }
      `,
    );
  return { name: 'store', code: stores.join('\n') };
}

/** Statements that store the finished sums, one `[column, statement]` each; `sumOf` names the sum of a column. */
export function storeColumns(
  shape: KernelShape,
  columns: readonly GroupColumn[],
  sumOf: (c: number) => string,
): readonly string[] {
  const rowOf = ({ share, j }: GroupColumn): string => `tile * ${share}u + ${j}u`;
  if (shape.variant.join !== 'gate')
    return columns.map((column, c) => `storeRow${column.w}(${sumOf(c)}, ${rowOf(column)});`);
  const half = columns.length / 2;
  return columns
    .slice(0, half)
    .map((column, c) => `storeGate(${sumOf(c)}, ${sumOf(c + half)}, ${rowOf(column)});`);
}

/** What each thread adds up: a sum for each of its columns, and with a norm the vector's squares. */
export const groupSums = ({ dtypes }: KernelShape, columns: number): string[] => [
  ...range(columns).map((c) => `sum${c}`),
  ...(dtypes.norm ? ['squares'] : []),
];

/** Adds `groupSums` of that many columns up over the threads; with a norm, `scale` is its scale of the vector. */
export function addOverThreads(shape: KernelShape, columns: number, sum: ThreadSum): string[] {
  const sums = groupSums(shape, columns);
  const fourOf = (f: number): string =>
    range(4)
      .map((i) => sums[4 * f + i] ?? '0.0')
      .join(', ');
  return [
    ...range(Math.ceil(sums.length / 4)).map(
      (f) => `let totals${f} = sumOfThreads(vec4f(${fourOf(f)}), thread${sum.argument});`,
    ),
    shape.dtypes.norm ? `let scale = inverseSqrt(${totalOf(columns)} / f32(params.k) + params.eps);` : '',
  ];
}

/** The sum of a column over all threads, after `addOverThreads`. */
export const totalOf = (c: number): string => `totals${Math.floor(c / 4)}[${c % 4}]`;

/** Sums over all threads, scaled by the norm; thread `storedBy(c)` stores column c. */
export function finishGroup(
  shape: KernelShape,
  columns: readonly GroupColumn[],
  sum: ThreadSum,
  storedBy: (c: number) => number,
): string[] {
  const scaled = (c: number): string => (shape.dtypes.norm ? `${totalOf(c)} * scale` : totalOf(c));
  return [
    ...addOverThreads(shape, columns.length, sum),
    ...storeColumns(shape, columns, scaled).map(
      (statement, c) => `if (thread == ${storedBy(c)}u) { ${statement} }`,
    ),
  ];
}

/** Loads of a loop that fits the cache of instructions of a CPU whose subgroups have 8 lanes. */
const LOADS_IN_CACHE = 8;

/**
 * What a loop's step takes more for its `loads`. On lavapipe most of the code is loads: q, k and v of SmolLM2 took 10 columns at
 * once twice the time of 5 in f32 and 1.1 times in q4 and q8, 4 columns of q8 1.2 times the time of 2. SwiftShader has
 * nothing against it.
 */
export const loopWork = (loads: number, lanes: number): number =>
  lanes === 8 ? Math.max(1, loads / LOADS_IN_CACHE) ** 0.4 : 1;

export function linearGroupCost({ params: { k, n }, dtypes, variant }: LinearGroupCall): Cost {
  const rows = variant.join === 'gate' ? 2 * n : n;
  return {
    flops: 2 * rows * k,
    bytesRead: rows * k * DTYPE_BYTES[dtypes.w0 ?? 'f32'] + k * DTYPE_BYTES[dtypes.x ?? 'f32'],
    bytesWritten: n * DTYPE_BYTES[dtypes.y ?? 'f32'],
  };
}
