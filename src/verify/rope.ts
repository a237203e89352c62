import { buildDecoderGraph } from '../generate/graphs.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import { compareValues } from './compare.ts';
import type { ReferenceTensors } from './reference-tensors.ts';
import type { StageResult } from './stage-result.ts';

/** Of no run: a checkpoint's rotary frequencies, of all layers or of one kind of them. */
const FREQUENCIES = /^rope\.inv_freq(_(\w+))?$/;

/** Rotary frequencies, read off the tables that the decoder's layers take: they are the angles of position 1. */
export async function* verifyRope(
  { model, weightScope, precision }: ModelRuntime,
  tensors: ReferenceTensors,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const stages = tensors.names.filter((name) => FREQUENCIES.test(name));
  if (stages.length === 0) return;
  const shape = { seq: 1, capacity: 2, imageRows: 0, spans: false, picker: 'none' } as const;
  const graph = buildDecoderGraph(model, weightScope, precision, shape);
  for (const stage of stages) {
    const [, , kind] = FREQUENCIES.exec(stage) ?? [];
    const table = kind === undefined ? 'rope' : `rope.${kind}`;
    const [sin, cos] = ['sin', 'cos'].map((part) => constantOf(graph, `${table}.${part}.${shape.capacity}`));
    const count = sin ? sin.length / shape.capacity : 0;
    const angles = Array.from({ length: count }, (_, i) =>
      Math.atan2(sin?.[count + i] ?? Number.NaN, cos?.[count + i] ?? Number.NaN),
    );
    const where = { run: 'model', stage, shape: tensors.shape(stage) };
    yield compareValues(where, angles, await tensors.floats(stage), tolerance);
  }
}

function constantOf(graph: Graph, name: string): ArrayLike<number> | undefined {
  for (const node of graph.nodes) {
    for (const { source } of Object.values(node.inputs)) {
      if (source.kind === 'constant' && source.name === name) return source.data;
    }
  }
  return undefined;
}
