import { captureGraph } from '../generate/capture-graph.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import { Graph } from '../graph/graph.ts';
import { copy } from '../graph/movement.ts';
import { bindParameters } from '../models/parameters.ts';

import { compareValues } from './compare.ts';
import type { ReferenceTensors } from './reference-tensors.ts';
import type { StageResult } from './stage-result.ts';

const STAGE = 'image_newline';

/** Of no run: the learned vector behind each row of a picture's features, as the device holds it. */
export async function* verifyImageNewline(
  runtime: ModelRuntime,
  tensors: ReferenceTensors,
  tolerance: number,
): AsyncGenerator<StageResult> {
  if (!tensors.has(STAGE)) return;
  const shape = tensors.shape(STAGE);
  const graph = new Graph();
  const w = bindParameters(graph, runtime.weightScope, runtime.precision);
  const holder = w.has(STAGE) ? w : w.scope('model');
  graph.output(STAGE, copy(holder.get(STAGE, shape)));
  const [captured = {}] = await captureGraph(runtime, graph, [STAGE], [{}]);
  const where = { run: 'model', stage: STAGE, shape };
  yield compareValues(where, captured[STAGE] ?? [], await tensors.floats(STAGE), tolerance);
}
