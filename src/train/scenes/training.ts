import { invariant } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import { Graph } from '../../graph/graph.ts';
import { type ImageProcessorConfig, parseImageProcessor } from '../../image/image-processor.ts';
import { preprocess } from '../../image/preprocess.ts';
import type { DualEncoder } from '../../models/dual-encoder.ts';
import { infoNce, MAX_LOG_SCALE } from '../../models/losses/info-nce.ts';
import { bindParameters } from '../../models/parameters.ts';
import { createTokenizer } from '../../text/tokenizer.ts';
import { fanInInit, randomTensors, type TensorInit } from '../../weights/random-tensors.ts';
import type { TensorIndex } from '../../weights/safetensors.ts';
import { weightScope } from '../../weights/weight-scope.ts';
import { createRandom, pickDistinct, type Random } from '../random.ts';
import type { Batch } from '../trainer.ts';
import type { BuildLoss } from '../training-graph.ts';
import { drawScene, PICTURE_SIZE } from './draw.ts';
import { captionOf, type Scene, TEMPLATES, TRAINED_SCENES } from './scene.ts';

/** Uses of random numbers, each with streams of its own. */
const USES = { order: 1, picture: 2, evaluation: 3 } as const;

/** The symmetric contrastive loss of a batch of pictures and captions, as a graph. */
export function contrastiveLoss(model: DualEncoder, batchSize: number, seq: number): BuildLoss {
  return (graph, w) => {
    const pixelValues = graph.input('pixelValues', [batchSize, ...model.vision.imageShape], 'f32');
    const ids = graph.input('ids', [batchSize, seq], 'u32');
    const pooledRows = graph.input('pooledRows', [batchSize], 'u32');
    const image = model.encodeImage(pixelValues, w);
    const text = model.encodeText(ids, pooledRows, w, 'f32');
    const logScale = w.get(model.logitScale.name, model.logitScale.shape);
    return infoNce({ image, text, logScale });
  };
}

/** CLIP's scale stays at or below 100. */
export const clipLimits = ({ logitScale }: DualEncoder): Readonly<Record<string, number>> => ({
  [logitScale.name]: MAX_LOG_SCALE,
});

/** New weights for all that the loss asks for: matrices by fan-in, embeddings small, the scale as CLIP begins. */
export function newContrastiveWeights(model: DualEncoder, seed: number): TensorIndex {
  const { missing, ...root } = weightScope(new Map(), model.modelType);
  const graph = new Graph();
  const precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' } as const;
  contrastiveLoss(model, 1, 2)(graph, bindParameters(graph, root, precision));
  return randomTensors(missing, seed, (name, shape) => initOf(model, name, shape));
}

function initOf(model: DualEncoder, name: string, shape: Shape): TensorInit {
  if (name === model.logitScale.name) return { kind: 'constant', value: Math.log(1 / 0.07) };
  if (/(token|position|class)_embedding/.test(name)) return { kind: 'normal', std: 0.02 };
  return fanInInit(name, shape);
}

/** Pairs of pictures and captions for the contrastive loss of `model`. */
export interface SceneBatches {
  /** Tokens of a caption, padding among them. */
  readonly seq: number;
  /** The batch of a step: different compositions, so that no caption fits two pictures. */
  batch(step: number): Batch;
}

export function createSceneBatches(
  model: DualEncoder,
  files: Readonly<Record<string, unknown>>,
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): SceneBatches {
  const tokenizer = createTokenizer(files['tokenizer.json'], files['tokenizer_config.json']);
  const processor = parseImageProcessor(files['preprocessor_config.json']);
  const captions = new Map(
    TRAINED_SCENES.flatMap((scene) => TEMPLATES.map((template) => captionOf(scene, template))).map(
      (caption) => [caption, tokenizer.encode(caption, { addSpecialTokens: true })],
    ),
  );
  const seq = Math.max(...[...captions.values()].map(({ length }) => length));
  const pad = tokenizer.special.pad?.id ?? 0;
  return {
    seq,
    batch(step) {
      const order = createRandom(seed, USES.order, step);
      const scenes = pickDistinct(TRAINED_SCENES, batchSize, order);
      const ids = new Uint32Array(batchSize * seq).fill(pad);
      const pooledRows = new Uint32Array(batchSize);
      scenes.forEach((scene, i) => {
        const template = TEMPLATES[order.integer(TEMPLATES.length)];
        const caption = template && captions.get(captionOf(scene, template));
        invariant(caption, 'every caption is encoded');
        ids.set(caption, i * seq);
        pooledRows[i] = i * seq + model.pooledPosition(caption);
      });
      const pixelValues = pixelsOf(scenes, processor, createRandom(seed, USES.picture, step));
      return { pixelValues, ids, pooledRows };
    },
  };
}

/** Pixel values as the model's image processor makes them: [N, 3, H, W]. */
function pixelsOf(scenes: readonly Scene[], processor: ImageProcessorConfig, random: Random): Float32Array {
  const values = new Float32Array(scenes.length * 3 * PICTURE_SIZE ** 2);
  scenes.forEach((scene, n) => {
    const { pixelValues } = preprocess(drawScene(scene, random), processor);
    values.set(pixelValues, n * pixelValues.length);
  });
  return values;
}

/** Pictures of scenes that no training sees, the same for each seed. */
export const evaluationRandom = (seed: number, index: number): Random =>
  createRandom(seed, USES.evaluation, index);
