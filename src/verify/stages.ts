import { compile } from '../compile/compile.ts';
import { buildDecoderGraph, buildVisionGraph } from '../generate/graphs.ts';
import type { ModelRuntime } from '../generate/sessions.ts';
import type { Graph } from '../graph/graph.ts';
import type { HostArray } from '../runtime/host-array.ts';
import type { InputValue } from '../runtime/inputs.ts';
import { createSession } from '../runtime/session.ts';
import { createStateStore } from '../runtime/state-store.ts';
import { imageFeatureRows } from '../text/image-tokens.ts';
import { compareValues } from './compare.ts';
import { promptIds } from './inputs.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';

/** Values of the intermediates that a graph names. */
type Captures = Readonly<Record<string, HostArray>>;

/**
 * Every intermediate the reference recorded for a run, against the one of that name here. Each part runs on the
 * reference's own inputs: the tower on its pixels, the decoder on its projector's output.
 */
export async function* verifyStages(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  tolerance: number,
): AsyncGenerator<StageResult> {
  const stages = reference.stages(run).filter((stage) => !/^(inputs|generated)\./.test(stage));
  const compare = async (stage: string, actual: ArrayLike<number>): Promise<StageResult> =>
    compareValues(
      { run: run.name, stage, shape: reference.shape(run, stage) },
      actual,
      await reference.floats(run, stage),
      tolerance,
    );

  const isVision = (stage: string): boolean => /^(vision|projector)\./.test(stage);
  const visionStages = stages.filter(isVision);
  if (visionStages.length > 0) {
    const captured = await captureVision(runtime, reference, run, visionStages);
    for (const [stage, values] of captured) yield await compare(stage, values);
  }
  const decoderStages = stages.filter((stage) => !isVision(stage) && stage !== 'loss');
  if (!decoderStages.includes('logits')) return;
  const [ids = []] = await promptIds(reference, run);
  const captured = await captureDecoder(runtime, reference, run, ids, decoderStages);
  for (const [stage, values] of captured) yield await compare(stage, values);
  if (stages.includes('loss'))
    yield await compare('loss', [
      nextTokenLoss(captured.get('logits') ?? [], ids, runtime.model.text.vocabSize),
    ]);
}

/** The tower and projector on each of the run's pictures; a stage's values of all pictures in a row. */
async function captureVision(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  stages: readonly string[],
): Promise<ReadonlyMap<string, number[]>> {
  const pixels = await reference.floats(run, 'inputs.pixel_values');
  const [pictures = 1] = reference.shape(run, 'inputs.pixel_values');
  const size = pixels.length / pictures;
  const graph = buildVisionGraph(runtime.model, runtime.weightScope, runtime.precision);
  const joined = new Map<string, number[]>();
  for (let picture = 0; picture < pictures; picture++) {
    const pixelValues = pixels.slice(picture * size, (picture + 1) * size);
    const captured = await capture(runtime, graph, stages, { pixelValues });
    for (const [stage, values] of captured) joined.set(stage, [...(joined.get(stage) ?? []), ...values]);
  }
  return joined;
}

/** The decoder on all ids in one pass: logits of every token. */
export async function captureDecoder(
  runtime: ModelRuntime,
  reference: Reference,
  run: ReferenceRun,
  ids: readonly number[],
  stages: readonly string[],
): Promise<ReadonlyMap<string, number[]>> {
  const { model, weightScope, precision } = runtime;
  const seq = ids.length;
  const features =
    model.vision && reference.has(run, 'projector.output')
      ? await reference.floats(run, 'projector.output')
      : undefined;
  const imageTokens = features ? features.length / model.text.hiddenSize : 0;
  const graph = buildDecoderGraph(model, weightScope, precision, {
    seq,
    capacity: seq,
    imageTokens,
    picker: 'none',
  });
  const inputs: Record<string, InputValue> = {
    ids: Uint32Array.from(ids),
    positions: Uint32Array.from(ids, (_, i) => i),
    past: Uint32Array.of(0),
  };
  if (features && model.vision) {
    inputs.imageFeatures = features;
    inputs.imageIndex = imageFeatureRows(ids, model.vision.imageTokenId, imageTokens);
  }
  return capture(runtime, graph, stages, inputs);
}

/** Runs `graph` once and reads the intermediates of each stage: `logits`, or `hidden_states.0`, `.1`, ... stacked. */
export async function capture(
  runtime: Pick<ModelRuntime, 'device' | 'weights'>,
  graph: Graph,
  stages: readonly string[],
  inputs: Record<string, InputValue>,
): Promise<ReadonlyMap<string, number[]>> {
  const namesOf = new Map(inOrderOfGraph(graph, stages).map((stage) => [stage, captureNames(graph, stage)]));
  const keep = [...namesOf.values()].flat();
  const states = createStateStore(runtime.device);
  const plan = compile(graph, runtime.device.caps, { keep });
  const session = await createSession(runtime.device, plan, {
    weights: runtime.weights,
    states,
    label: 'verify',
  });
  try {
    const values: Captures = await session.runAndRead(inputs, keep);
    return new Map(
      [...namesOf].map(([stage, names]) => [stage, names.flatMap((name) => [...(values[name] ?? [])])]),
    );
  } finally {
    session.dispose();
    states.dispose();
  }
}

/** Stages as they are computed, so that the first that fails is the first at fault; unknown ones come first. */
function inOrderOfGraph(graph: Graph, stages: readonly string[]): string[] {
  const place = (stage: string): number => graph.named.get(captureNames(graph, stage)[0] ?? '')?.id ?? -1;
  return [...stages].sort((a, b) => place(a) - place(b));
}

function captureNames(graph: Graph, stage: string): string[] {
  if (graph.named.has(stage)) return [stage];
  const names: string[] = [];
  while (graph.named.has(`${stage}.${names.length}`)) names.push(`${stage}.${names.length}`);
  return names;
}

/** Mean cross entropy of each token given those before it. logits [S, V] */
function nextTokenLoss(logits: ArrayLike<number>, ids: readonly number[], vocabSize: number): number {
  let sum = 0;
  for (let row = 0; row + 1 < ids.length; row++) {
    const scores = Array.from({ length: vocabSize }, (_, id) => logits[row * vocabSize + id] ?? Number.NaN);
    const max = Math.max(...scores);
    const logSum = Math.log(scores.reduce((total, score) => total + Math.exp(score - max), 0)) + max;
    sum += logSum - (scores[ids[row + 1] ?? 0] ?? Number.NaN);
  }
  return sum / (ids.length - 1);
}
