import { fileURLToPath } from 'node:url';
import { readAssets } from '../../src/generate/checkpoint-assets.ts';
import { buildDecoderGraph } from '../../src/generate/graphs.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { Model } from '../../src/models/model.ts';
import type { Precision } from '../../src/models/parameters.ts';
import type { Op, Reference } from '../../src/ops/op.ts';
import { imageFeatureRows } from '../../src/text/image-tokens.ts';
import { openReference } from '../../src/verify/reference.ts';
import { openCheckpoint } from '../../src/weights/checkpoint.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { type WeightRoot, weightScope } from '../../src/weights/weight-scope.ts';
import { goldenPath } from '../read-golden.ts';

export type HostWeights = Readonly<Record<string, Float32Array>>;

/** A golden checkpoint with its reference, and its weights in host memory for the interpreter. */
export async function openGolden(name: string) {
  const files = await folderFiles(fileURLToPath(goldenPath(name)));
  const checkpoint = await openCheckpoint(files);
  const assets = await readAssets(files);
  const { model } = assets;
  const reference = await openReference(files);
  const weights: Record<string, Float32Array> = {};
  for (const [tensor, entry] of checkpoint.index) {
    if (entry.dtype !== 'I64') weights[tensor] = await readTensor(entry, 'f32');
  }
  const close = () => Promise.all([checkpoint.close(), reference.close()]);
  return {
    files,
    assets,
    model,
    reference,
    weights,
    index: checkpoint.index,
    root: weightScope(checkpoint.index, name),
    close,
  };
}

export interface DecoderGraphCase {
  readonly model: Model;
  readonly root: WeightRoot;
  readonly precision: Precision;
  readonly weights: HostWeights;
  readonly ids: readonly number[];
  /** Image features in the order of their tokens; empty without pictures. */
  readonly features: Float32Array;
  /** Keys each token sees besides those before it, [S, 2]. */
  readonly spans?: ArrayLike<number> | undefined;
  /** 0, 1, 2, ... unless told. */
  readonly positions?: readonly number[] | undefined;
  /** What ops mean, where not what they should. */
  readonly reference?: ((op: Op) => Reference) | undefined;
}

/** The decoder on all ids in f64: named intermediates, and the graph that names them. */
export function interpretDecoder(decoderCase: DecoderGraphCase) {
  const { model, root, precision, weights, ids, features, spans, positions, reference } = decoderCase;
  const imageRows = features.length / model.text.hiddenSize;
  const shape = {
    seq: ids.length,
    capacity: ids.length + 3,
    imageRows,
    spans: spans !== undefined,
    picker: 'none',
  } as const;
  const graph: Graph = buildDecoderGraph(model, root, precision, shape);
  const values = {
    ...weights,
    ids,
    positions: positions ?? ids.map((_, i) => i),
    past: [0],
    span: spans ?? [],
    imageFeatures: features,
    imageIndex: model.vision
      ? imageFeatureRows(ids, [{ tokenId: model.vision.imageTokenId, count: imageRows }])
      : [],
  };
  const { named } = interpret(graph, values, reference);
  return { graph, named };
}
