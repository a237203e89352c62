import { range, type SubgroupTiling } from './product-work.ts';

// What the products of a subgroup share: a tile of `rows` rows whose lanes hold `vectors` sums of four columns a row.

/** The registers of a row. */
const sumsOf = ({ vectors }: SubgroupTiling, row: number): string[] =>
  range(vectors).map((v) => `sum${row}_${v}`);

export const declareSums = (tile: SubgroupTiling): string[] =>
  range(tile.rows).flatMap((row) => sumsOf(tile, row).map((sum) => `var ${sum} = vec4f(0.0);`));

/** A step: what lane r % lanes loaded for row r, as `own0`, `own1`, ..., is handed round and meets the matrices `factor` + v. */
export const addHandedRound = (tile: SubgroupTiling, factor: string): string[] =>
  range(tile.rows).flatMap((row) => [
    `let value${row} = subgroupBroadcast(own${Math.floor(row / tile.lanes)}, ${row % tile.lanes}u);`,
    ...sumsOf(tile, row).map((sum, v) => `${sum} = addProduct(${sum}, ${factor}${v}, value${row});`),
  ]);

/** For a loop over the rows, which stores the sums of the first: those of each other row move up by one. */
export const storeFirstRow = (tile: SubgroupTiling, store: (sum: string, v: number) => string): string[] => [
  ...sumsOf(tile, 0).map(store),
  ...range(tile.rows - 1).flatMap((row) =>
    sumsOf(tile, row).map((sum, v) => `${sum} = ${sumsOf(tile, row + 1)[v]};`),
  ),
];
