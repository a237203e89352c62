import type { FloatDType } from '../core/dtype.ts';
import { invariant } from '../core/errors.ts';
import { elementCount } from '../core/shape.ts';
import { Graph } from '../graph/graph.ts';
import { poolNextFrame, type TemporalPooling } from '../models/blocks/temporal-pooling.ts';
import type { DeviceTensor, InputValue } from '../runtime/inputs.ts';
import type { Session } from '../runtime/session.ts';

/** Kinds that look at every frame of a window. */
export type StreamedPooling = Exclude<TemporalPooling['kind'], 'stride'>;

/** A score below that of any frame, whose exponential is 0. */
const NO_PEAK = -1e30;

/**
 * One frame more of a window: frame and pooled [rows, width], for `mean` count [1], for `attention` query [rows, width],
 * peak and total [rows, 1] → pooled and, for `attention`, query, peak and total.
 */
export function buildPoolingGraph(
  kind: StreamedPooling,
  rows: number,
  width: number,
  dtype: FloatDType = 'f32',
): Graph {
  const graph = new Graph();
  const input = (name: string, ...shape: readonly number[]) => graph.input(name, shape, dtype);
  const frame = input('frame', rows, width);
  const pooled = input('pooled', rows, width);
  const state =
    kind === 'attention'
      ? {
          pooled,
          query: input('query', rows, width),
          peak: input('peak', rows, 1),
          total: input('total', rows, 1),
        }
      : { pooled };
  const next = poolNextFrame(frame, kind, state, kind === 'mean' ? input('count', 1) : undefined);
  for (const [name, tensor] of Object.entries(next)) graph.output(name, tensor);
  return graph;
}

/** Takes in one frame, the `count`-th of its window, and gives what its window's frames so far pool to. */
export function poolFrame(session: Session, frame: DeviceTensor, count: number): DeviceTensor {
  const inputs: Record<string, InputValue> = { frame };
  for (const [name, { shape }] of session.plan.inputs) {
    if (name === 'frame') continue;
    if (name === 'count') inputs.count = Float32Array.of(count);
    else if (count > 1) inputs[name] = session.output(name);
    else inputs[name] = firstState(name, frame, elementCount(shape));
  }
  session.run(inputs);
  return session.output('pooled');
}

/** What the state of a window is before its first frame. */
function firstState(name: string, frame: DeviceTensor, length: number): InputValue {
  if (name === 'pooled' || name === 'query') return frame;
  invariant(name === 'peak' || name === 'total', `pooling has no state ${name}`);
  return new Float32Array(length).fill(name === 'peak' ? NO_PEAK : 0);
}
