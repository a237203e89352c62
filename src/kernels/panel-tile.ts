import type { Caps } from '../core/caps.ts';
import { handedRound } from '../wgsl/subgroups.ts';
import type { Snippet } from '../wgsl/wgsl.ts';
import type { KernelShape } from './kernel.ts';
import { hasSubgroupsOf, type ProductSizes, range } from './product-work.ts';

// What the products of a subgroup share that keep a panel of one factor beside their registers: `depth` steps of k of
// the lanes' own columns, which all rows of the tile meet before the next panel is loaded.

export interface PanelTiling {
  readonly lanes: number;
}

/**
 * Steps of k, and vectors of four columns a lane. On 8 lanes lavapipe keeps 256 multiply-adds of a row in good order; of
 * twice as many it stores the products first and adds them up later (26 ms for 20 in a matmul of 512), and two vectors
 * of 32 steps took it 20 s to compile. SwiftShader likes long ones: 133, 98 and 78 ms with 16, 32 and 64 steps of four
 * vectors, 81 and 68 with 128 of one and of two. But 128 of two are twice the text of 64, and compiling is most of a
 * start there: describe with the built-in model took 12.7 s with 128, 10.2 s with 64. One vector of 64 compiles in half the
 * time of two, and takes 8 to 20 % longer to run. Much of the compiling is of the zeros that WGSL fills the panels with.
 */
const PANELS: Readonly<Record<number, { readonly depth: number; readonly vectors: number }>> = {
  8: { depth: 64, vectors: 1 },
  4: { depth: 64, vectors: 2 },
};

export const panelOf = ({ lanes }: PanelTiling) => PANELS[lanes] ?? { depth: 32, vectors: 1 };

/** Rows that share the loads of a panel. */
const MOST_ROWS = 256;

/** Why a panel cannot serve a call, or true. */
export function supportsPanel(
  { n, k }: ProductSizes,
  { lanes }: PanelTiling,
  caps: Caps,
  dtypes: KernelShape['dtypes'],
): true | string {
  if (!hasSubgroupsOf(lanes, caps)) return `the adapter's subgroups are not of ${lanes}`;
  if (dtypes.y !== 'f32') return `y is ${dtypes.y}, in which sums would be rounded panel by panel`;
  if (k % 4 !== 0) return `inner size ${k} is not a multiple of 4`;
  return n % 4 === 0 || `${n} columns are not a multiple of 4`;
}

export const panelTiles = ({ m, n }: ProductSizes, t: PanelTiling): number =>
  Math.ceil(m / MOST_ROWS) * Math.ceil(n / (4 * t.lanes * panelOf(t).vectors));

/** `panelRows(m)`: rows of each tile. Rows are shared out evenly, so that no tile waits for a small rest. */
export const panelRows: Snippet = {
  name: 'panelRows',
  code: `
    fn panelRows(m: u32) -> u32 {
      let tiles = (m + ${MOST_ROWS - 1}u) / ${MOST_ROWS}u;
      return (m + tiles - 1u) / tiles;
    }
  `,
};

/** What a kernel of panels says of its operands. */
export interface PanelOperands {
  /** Vector of the streamed factor: its row `row`, four steps of k from `4 * step`. */
  streamed(row: string, step: string): string;
  /** Vector `part` of 4 of the held factor, of those that `steps` joins, for four columns from vector `column`. */
  held(column: string, step: string, part: string): string;
  /** Of the four such vectors of a step, the one that holds column `column` of step `k`, and which component. */
  factor(k: number, column: number): readonly [part: number, component: number];
  /** Where y keeps row `row`, vector `column` of it. */
  at(row: string, column: string): string;
  /** What is added to vector `column` of every row; zero where absent. */
  readonly added?: ((column: string) => string) | undefined;
}

/**
 * Sums of rows `firstRow` to `endRow` for vectors `column0`, `column1`, ... of the lane, left in y. `params.k` is the inner
 * size, `columns` counts vectors of a row of y. y is read and written once a panel: its sums, of 256 rows, would
 * fit nowhere else.
 */
export function panelSums(
  t: PanelTiling,
  { streamed, held, factor, at, added }: PanelOperands,
): readonly string[] {
  const { depth, vectors } = panelOf(t);
  const { lanes } = t;
  const step = (j: number): string => handedRound(`own${Math.floor(j / lanes)}`, j % lanes, lanes);
  return [
    ...range(vectors).flatMap((v) => [
      `let inside${v} = min(column${v}, columns - 1u);`,
      `let added${v} = ${added?.(`inside${v}`) ?? 'vec4f()'};`,
      `var panel${v}: array<vec4f, ${depth}>;`,
    ]),
    'let steps = params.k / 4u;',
    `for (var start = 0u; start < steps; start += ${depth / 4}u) {`,
    `  for (var i = 0u; i < ${depth}u; i++) {`,
    // What another lane of the quad hands over are its own steps: each lane holds them in the order in which they come.
    `    let step = start + ${lanes === 4 ? '((i / 4u) ^ lane)' : 'i / 4u'};`,
    '    let within = min(step, steps - 1u);',
    ...range(vectors).map(
      (v) => `    panel${v}[i] = select(vec4f(), ${held(`inside${v}`, 'within', 'i % 4u')}, step < steps);`,
    ),
    '  }',
    '  for (var row = firstRow; row < endRow; row++) {',
    ...range(depth / 4 / lanes).map(
      (o) => `    let own${o} = ${streamed('row', `min(start + ${o * lanes}u + lane, steps - 1u)`)};`,
    ),
    ...range(vectors).flatMap((v) => [
      `    let at${v} = ${at('row', `column${v}`)};`,
      `    var sum${v} = added${v};`,
      `    if (start > 0u && column${v} < columns) { sum${v} = y[at${v}]; }`,
      ...range(depth / 4).flatMap((j) => [
        `    let step${v}_${j} = ${step(j)};`,
        // One component after the other: of a vector SwiftShader fetches all four at once and stores three away.
        ...range(4).map((column) => {
          const product = (sum: string, k: number): string => {
            const [part, component] = factor(k, column);
            return `fma(panel${v}[${4 * j + part}].${'xyzw'[component]}, step${v}_${j}.${'xyzw'[k]}, ${sum})`;
          };
          const sum = `sum${v}.${'xyzw'[column]}`;
          return `    ${sum} = ${range(4).reduce(product, sum)};`;
        }),
      ]),
      `    if (column${v} < columns) { y[at${v}] = sum${v}; }`,
    ]),
    '  }',
    '}',
  ];
}

/**
 * In multiply-adds at their peak, as in `softwareWork`, fitted to 16 to 512 rows on lavapipe: a vec4 loaded, one kept by a
 * number that varies, one of y read or written between rows of sums.
 */
const LOAD = 68;
const KEEP = 70;
const UPDATE = 45;

/** Work of a panel kernel as a multiple of the least. */
export function panelWork(sizes: ProductSizes, t: PanelTiling, { kind }: Caps): number {
  const { depth, vectors } = panelOf(t);
  const { m, n, k } = sizes;
  const tiles = panelTiles(sizes, t);
  const panels = Math.ceil(k / depth);
  const rows = Math.ceil(m / Math.ceil(m / MOST_ROWS));
  // On 4 lanes vectors are handed round for nothing, and products move between registers and the stack.
  const products = t.lanes === 4 ? 6 * depth * vectors : 4 * depth * vectors + depth / 2;
  const row = (depth / 4 / t.lanes) * LOAD + products;
  const updates = rows * vectors * UPDATE * (2 * panels - 1);
  // Threads share the tiles out once: of an odd number, one of two threads has one more than the other.
  const uneven = 1 + 0.5 / tiles;
  const work = uneven * tiles * t.lanes * (panels * (depth * vectors * (LOAD + KEEP) + rows * row) + updates);
  return (work / (m * n * k)) * (kind === 'software' ? 1 : 20);
}
