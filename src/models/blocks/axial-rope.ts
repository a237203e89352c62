import type { Graph } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { axialTables, inverseFrequencies, type RopeTables } from './rope-tables.ts';
import type { RopeTensors } from './rope-tensors.ts';

/** Where each patch of a picture stands, in the order of its tokens. */
export interface PatchPlaces {
  readonly rows: Uint32Array;
  readonly columns: Uint32Array;
}

/** Patches by row and column. */
export type PatchGrid = readonly [rows: number, columns: number];

/**
 * Places of a grid's patches where each `mergeSize`² neighbours follow one another: blocks row by row, and the patches
 * of a block row by row. Reference: get_vision_position_ids in transformers 5.23.
 */
export function mergeOrder([rows, columns]: PatchGrid, mergeSize: number): PatchPlaces {
  const places = { rows: new Uint32Array(rows * columns), columns: new Uint32Array(rows * columns) };
  let token = 0;
  for (let top = 0; top < rows; top += mergeSize) {
    for (let left = 0; left < columns; left += mergeSize) {
      for (let i = 0; i < mergeSize ** 2; i++, token++) {
        places.rows[token] = top + Math.floor(i / mergeSize);
        places.columns[token] = left + (i % mergeSize);
      }
    }
  }
  return places;
}

export interface AxialRopeConfig {
  readonly theta: number;
  /** A multiple of 4. */
  readonly headDim: number;
}

/** A quarter of a head's dims turns by the row, a quarter by the column, each with its partner half a head further. */
export function axialRopeTables({ theta, headDim }: AxialRopeConfig, places: PatchPlaces): RopeTables {
  const quarter = inverseFrequencies({ ropeType: 'default', theta, rotaryDim: headDim / 2 });
  const axisOf = Array.from({ length: headDim / 2 }, (_, i) => (i < quarter.length ? 0 : 1));
  return axialTables(Float32Array.of(...quarter, ...quarter), axisOf, [places.rows, places.columns]);
}

/** Tables with a row per token, and the row of each. */
export interface TokenRope extends RopeTensors {
  readonly positions: Tensor;
}

/** `axialRopeTables` as constants of a graph that serves this grid alone. */
export function axialRope(
  graph: Graph,
  config: AxialRopeConfig,
  places: PatchPlaces,
  [rows, columns]: PatchGrid,
): TokenRope {
  const tokens = places.rows.length;
  const { cos, sin } = axialRopeTables(config, places);
  const shape = [tokens, config.headDim / 2];
  const inOrder = Uint32Array.from({ length: tokens }, (_, row) => row);
  return {
    cos: graph.constant(`vision.rope.cos.${rows}x${columns}`, cos, shape),
    sin: graph.constant(`vision.rope.sin.${rows}x${columns}`, sin, shape),
    positions: graph.constant(`rows.${tokens}`, inOrder, [1, tokens]),
  };
}
