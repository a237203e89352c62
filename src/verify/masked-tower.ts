import { elementCount } from '../core/shape.ts';
import { joined } from '../generate/capture-graph.ts';
import { buildTileGraph } from '../generate/graphs.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import { captureStages } from './capture.ts';
import { compareValues } from './compare.ts';
import type { ReferenceTensors } from './reference-tensors.ts';
import type { StageResult } from './stage-result.ts';

/** The name before tensors of a vision tower that was run alone on padded pictures. */
const RUN = 'masked';

/** Recorded stage → intermediate of the tower. */
const STAGES: ReadonlyMap<string, string> = new Map([
  ['embeddings', 'vision.hidden_states.0'],
  ['vision.last_hidden_state', 'vision.last_hidden_state'],
]);

/** Towers that take padded pictures, each picture with its own padding: no processor makes such, but batches may. */
export async function* verifyMaskedTower(
  runtime: ModelRuntime,
  tensors: ReferenceTensors,
  tolerance: number,
): AsyncGenerator<StageResult> {
  if (!tensors.has(`${RUN}.pixel_values`)) return;
  const shape = tensors.shape(`${RUN}.pixel_values`).slice(1);
  const pixels = await tensors.floats(`${RUN}.pixel_values`);
  const size = elementCount(shape);
  const stages = [...STAGES].filter(([stage]) => tensors.has(`${RUN}.${stage}`));
  const captured = new Map<string, Float32Array[]>(stages.map(([stage]) => [stage, []]));
  for (const [i, realPatches] of (await realPatchesOf(tensors)).entries()) {
    const tile = { kind: 'image', shape, realPatches } as const;
    const graph = buildTileGraph(runtime.model, runtime.weightScope, runtime.precision, tile);
    const pixelValues = pixels.slice(i * size, (i + 1) * size);
    const names = stages.map(([, name]) => name);
    const values = await captureStages(runtime, graph, names, { pixelValues });
    for (const [stage, name] of stages) captured.get(stage)?.push(values.get(name) ?? new Float32Array());
  }
  for (const [stage, parts] of captured) {
    const where = { run: RUN, stage, shape: tensors.shape(`${RUN}.${stage}`) };
    yield compareValues(where, joined(parts), await tensors.floats(`${RUN}.${stage}`), tolerance);
  }
}

/** Rows and columns of each picture that its mask keeps: its first column and its first row, counted. */
async function realPatchesOf(tensors: ReferenceTensors): Promise<readonly (readonly [number, number])[]> {
  const [pictures = 0, rows = 0, columns = 0] = tensors.shape(`${RUN}.patch_attention_mask`);
  const mask = await tensors.integers(`${RUN}.patch_attention_mask`);
  return Array.from({ length: pictures }, (_, i) => {
    const own = mask.subarray(i * rows * columns, (i + 1) * rows * columns);
    const count = (values: Int32Array): number => values.reduce((sum, value) => sum + value, 0);
    return [count(own.filter((_value, at) => at % columns === 0)), count(own.subarray(0, columns))] as const;
  });
}
