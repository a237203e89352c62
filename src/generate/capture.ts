import { InputError, invariant } from '../core/errors.ts';
import type { QueryRange } from '../graph/attention-probabilities.ts';
import type { Graph } from '../graph/graph.ts';
import type { PictureSource } from '../image/load-picture.ts';
import type { Model, VisionLayout } from '../models/model.ts';
import type { ProcessedMedium } from '../processors/processor.ts';
import type { HostArray } from '../runtime/host-array.ts';
import { throwIfAborted } from './abort.ts';
import { captureGraph, joined } from './capture-graph.ts';
import {
  addProbabilities,
  type CapturableTensor,
  type CapturedTensor,
  capturableTensors,
  checkNames,
  fixedTensors,
  stackCaptured,
} from './captured.ts';
import type { CheckpointAssets } from './checkpoint-assets.ts';
import { decoderInputs } from './decoder-inputs.ts';
import { finalNorm, lastStateName } from './final-norm.ts';
import { buildDecoderGraph, buildPackGraph, buildTileGraph } from './graphs.ts';
import type { ImageEncoder } from './image-encoder.ts';
import { buildPrompt, type Prompt, type PromptOptions } from './prompt.ts';
import type { ModelRuntime } from './sessions.ts';

/** What a model is run on for `capture`: a prompt as for `generate`. */
export interface CaptureRequest extends PromptOptions {
  /** One picture, asked about with `prompt` ("Describe the image." unless told). */
  readonly image?: PictureSource | undefined;
  /** Ids that stand behind the prompt, such as an answer's `tokenIds`. */
  readonly answer?: readonly number[] | undefined;
  /** Queries whose attention probabilities are computed, in the order of the tokens; all unless told. */
  readonly queries?: QueryRange | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reads intermediates of a model. */
export interface ModelCapture {
  names(): readonly CapturableTensor[];
  capture(names: readonly string[], request: CaptureRequest): Promise<ReadonlyMap<string, CapturedTensor>>;
}

export const DEFAULT_QUESTION = 'Describe the image.';

/** `capture` of a model, in plans of its own: those that answers run through are not touched. */
export function createCapture(
  runtime: ModelRuntime,
  assets: CheckpointAssets,
  imageEncoder: ImageEncoder | undefined,
): ModelCapture {
  const { model, weightScope, precision } = runtime;

  const decoderGraph = (seq: number, imageRows: number, spans: boolean): Graph => {
    const shape = { seq, capacity: seq, imageRows, spans, picker: 'none' } as const;
    const graph = buildDecoderGraph(model, weightScope, precision, shape);
    const { numHiddenLayers } = model.text;
    graph.setName(finalNorm(graph, numHiddenLayers).x, lastStateName(numHiddenLayers));
    return graph;
  };
  /** The graphs of one layout; the last of them gives `imageFeatures`. */
  const visionGraphs = (layout: VisionLayout) => {
    const tile = buildTileGraph(model, weightScope, precision, layout.tile);
    const features = tile.outputs.get('tileFeatures');
    invariant(features, 'a tile has features');
    const pack = buildPackGraph(model, weightScope, precision, layout, features.shape);
    if (!pack) tile.output('imageFeatures', features);
    return { tile, pack };
  };

  const names = (): CapturableTensor[] => {
    const { vision } = model;
    const decoder = capturableTensors('decoder', (seq) => decoderGraph(seq, vision ? 1 : 0, false));
    if (!vision) return decoder;
    const { tile, pack } = visionGraphs(vision.typicalLayout);
    const graphs = [tile, ...(pack ? [pack] : [])];
    return [...graphs.flatMap((graph) => fixedTensors('vision', graph)), ...decoder];
  };

  /** Runs of one picture or video: its tiles, and the packing of their features. */
  const captureMedium = async (medium: ProcessedMedium, wanted: readonly string[], signal?: AbortSignal) => {
    const { tile: graph, pack } = visionGraphs(medium.layout);
    addProbabilities(graph, wanted);
    const inputs: { pixelValues: Float32Array }[] = [];
    for await (const pixelValues of medium.tiles()) inputs.push({ pixelValues });
    throwIfAborted(signal);
    const ofTile = [...namesIn(graph, wanted), ...(pack ? ['tileFeatures'] : [])];
    const tiles = await captureGraph(runtime, graph, [...new Set(ofTile)], inputs);
    if (!pack) return { graph, tiles, packed: undefined };
    addProbabilities(pack, wanted);
    const tileFeatures = joined(tiles.map((tile) => tile.tileFeatures ?? []));
    const [values = {}] = await captureGraph(runtime, pack, namesIn(pack, wanted), [{ tileFeatures }]);
    return { graph, tiles, packed: [pack, values] as const };
  };

  const captureVision = async (
    { media }: Prompt,
    wanted: readonly string[],
    signal?: AbortSignal,
  ): Promise<[string, CapturedTensor][]> => {
    if (media.length === 0) {
      throw new InputError(
        `capture: "${wanted[0]}" is of the vision tower, and the prompt has no picture; expected one.`,
      );
    }
    const runs: (readonly [Graph, Readonly<Record<string, HostArray>>])[] = [];
    for (const medium of media) {
      const { graph, tiles, packed } = await captureMedium(medium, wanted, signal);
      runs.push(...tiles.map((tile) => [graph, tile] as const), ...(packed ? [packed] : []));
    }
    const having = (name: string) =>
      runs.filter(([graph]) => graph.named.has(name) || graph.outputs.has(name));
    return wanted.flatMap((name) => stackCaptured([name], having(name)));
  };

  const captureDecoder = async (
    { tokenIds, imageIndex, media, positions, spans }: Prompt,
    wanted: readonly string[],
    { queries, signal }: CaptureRequest,
  ): Promise<[string, CapturedTensor][]> => {
    const seq = tokenIds.length;
    const features = media.length > 0 ? await imageEncoder?.encode(media, signal) : undefined;
    try {
      const graph = decoderGraph(seq, features?.rows ?? 0, spans !== undefined);
      // Logits of every token are many: they are computed where someone asks for them.
      graph.outputs.clear();
      addProbabilities(graph, wanted, queries);
      const images = features && { features, index: imageIndex };
      const inputs = decoderInputs(
        model,
        { tokenIds, images, positions, spans },
        { begin: 0, count: seq, seq, past: 0, nextPosition: 0, capacity: seq },
      );
      const [values = {}] = await captureGraph(runtime, graph, wanted, [inputs]);
      return stackCaptured(wanted, [[graph, values]]);
    } finally {
      features?.dispose();
    }
  };

  return {
    names,
    async capture(wanted, request) {
      const known = names();
      checkNames(
        wanted,
        known.map(({ name }) => name),
      );
      const ofPart = (part: CapturableTensor['part']): string[] => {
        const own = new Set(known.filter((tensor) => tensor.part === part).map(({ name }) => name));
        return wanted.filter((name) => own.has(name));
      };
      const prompt = await capturedPrompt(assets, request);
      checkQueries(request.queries, prompt.tokenIds.length);
      const [vision, decoder] = [ofPart('vision'), ofPart('decoder')];
      const captured = new Map([
        ...(vision.length > 0 ? await captureVision(prompt, vision, request.signal) : []),
        ...(decoder.length > 0 ? await captureDecoder(prompt, decoder, request) : []),
      ]);
      return new Map(
        wanted.map((name) => {
          const tensor = captured.get(name);
          invariant(tensor, `"${name}" was not captured`);
          return [name, tensor];
        }),
      );
    },
  };
}

const namesIn = (graph: Graph, names: readonly string[]): string[] =>
  names.filter((name) => graph.named.has(name) || graph.outputs.has(name));

/** The prompt of a request with its answer behind it. Throws InputError where they are longer than the context. */
export async function capturedPrompt(
  assets: CheckpointAssets,
  { image, answer = [], ...options }: CaptureRequest,
): Promise<Prompt> {
  const asked =
    image === undefined
      ? options
      : { ...options, prompt: options.prompt ?? DEFAULT_QUESTION, images: [image] };
  const prompt = extendPrompt(await buildPrompt(assets, asked), answer);
  checkLength(prompt, assets.model);
  return prompt;
}

/** The prompt with tokens of text behind it. */
function extendPrompt(prompt: Prompt, ids: readonly number[]): Prompt {
  const { tokenIds, imageIndex, positions, nextPosition, spans } = prompt;
  const length = tokenIds.length + ids.length;
  const index = new Int32Array(length).fill(-1);
  index.set(imageIndex);
  const extendedSpans = spans && new Uint32Array(2 * length);
  if (spans) extendedSpans?.set(spans);
  return {
    ...prompt,
    tokenIds: [...tokenIds, ...ids],
    imageIndex: index,
    positions: positions.map((axis) => Int32Array.from([...axis, ...ids.map((_, i) => nextPosition + i)])),
    nextPosition: nextPosition + ids.length,
    spans: extendedSpans,
  };
}

function checkLength({ tokenIds }: Prompt, { text }: Model): void {
  if (tokenIds.length <= text.maxPositionEmbeddings) return;
  throw new InputError(
    `capture: ${tokenIds.length} tokens do not fit the model's context of ${text.maxPositionEmbeddings}; expected fewer. Shorten the prompt or use fewer pictures.`,
  );
}

function checkQueries(queries: QueryRange | undefined, tokens: number): void {
  if (!queries) return;
  const [begin, end] = queries;
  if (Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin < end && end <= tokens) return;
  throw new InputError(
    `capture: queries are ${begin} to ${end} of ${tokens} tokens; expected a range within them.`,
  );
}
