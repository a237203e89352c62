import type { Graph } from '../../graph/graph.ts';
import type { Tensor } from '../../graph/tensor.ts';
import type { RopeParameters } from './rope-parameters.ts';
import { ropeTables } from './rope-tables.ts';

/** cos and sin by position and frequency, each [capacity, rotaryDim / 2]. */
export interface RopeTensors {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Tables for positions 0 to capacity - 1, as constants that all layers share, or all of one `kind`. */
export function ropeTensors(
  graph: Graph,
  rope: RopeParameters,
  capacity: number,
  kind?: string,
): RopeTensors {
  const name = kind === undefined ? 'rope' : `rope.${kind}`;
  const { cos, sin } = ropeTables(rope, capacity);
  const shape = [capacity, rope.rotaryDim / 2];
  return {
    cos: graph.constant(`${name}.cos.${capacity}`, cos, shape),
    sin: graph.constant(`${name}.sin.${capacity}`, sin, shape),
  };
}
