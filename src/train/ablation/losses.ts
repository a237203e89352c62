import { crossEntropy } from '../../graph/cross-entropy.ts';
import { embedding } from '../../graph/embedding.ts';
import type { Graph } from '../../graph/graph.ts';
import { concat, reshape, slice } from '../../graph/movement.ts';
import { argmax, l2Normalize, reduceMean } from '../../graph/reduce.ts';
import type { Tensor } from '../../graph/tensor.ts';
import { PART_PREFIXES } from '../../models/compose/compose-vlm.ts';
import { infoNce } from '../../models/losses/info-nce.ts';
import { sigmoidLoss } from '../../models/losses/sigmoid-loss.ts';
import type { Model } from '../../models/model.ts';
import type { Parameters } from '../../models/parameters.ts';
import type { Batch } from '../trainer.ts';
import type { BuildLoss } from '../training-graph.ts';
import type { Example, Task } from './task.ts';
import type { Vlm } from './vlm.ts';
import { encodeAnswer, endOf } from './words.ts';

/** Rows with this label do not count. */
const IGNORED = -100;

/** The loss of a batch of clips and their answers. Inputs are those of `batchOf`. */
export function clipLoss(vlm: Vlm, task: Task, batchSize: number): BuildLoss {
  return (graph, w) => {
    const image = imageTokens(vlm, graph, w, batchSize); // [B, N, C]
    if (vlm.loss === 'next-token') {
      const logits = answerLogits(vlm, task, image, w); // [B A, V]
      return crossEntropy(logits, graph.input('labels', [batchSize * (task.answerTokens - 1)], 'i32'));
    }
    const pairs = {
      image: pictureVectors(image),
      text: answerVectors(vlm, task, graph, w, batchSize),
      logScale: w.get('logit_scale', [1]),
    };
    return vlm.loss === 'info-nce'
      ? infoNce(pairs)
      : sigmoidLoss({ ...pairs, bias: w.get('logit_bias', [1]) });
  };
}

/** What `clipLoss` reads of examples. */
export function batchOf(vlm: Vlm, task: Task, examples: readonly Example[]): Batch {
  const { answerTokens: length } = task;
  const rows = examples.map(({ answer }) => encodeAnswer(answer, length));
  const pixelValues = pixelsOf(examples);
  if (vlm.loss !== 'next-token')
    return {
      pixelValues,
      ...textOf(
        task,
        examples.map(({ answer }) => answer),
      ),
    };
  const labels = rows.flatMap((ids) => ids.slice(1).map((id, i) => (i + 1 <= endOf(ids) ? id : IGNORED)));
  return {
    pixelValues,
    ids: Uint32Array.from(rows.flatMap((ids) => ids.slice(0, -1))),
    labels: Int32Array.from(labels),
  };
}

/** Answers as `answerVectors` reads them. */
export function textOf({ answerTokens }: Task, answers: readonly string[]): Batch {
  const rows = answers.map((answer) => encodeAnswer(answer, answerTokens));
  return {
    text: Uint32Array.from(rows.flat()),
    ends: Uint32Array.from(rows, (ids, i) => i * answerTokens + endOf(ids)),
  };
}

export function pixelsOf(examples: readonly Example[]): Float32Array {
  const length = examples[0]?.pixelValues.length ?? 0;
  const values = new Float32Array(examples.length * length);
  examples.forEach(({ pixelValues }, i) => {
    values.set(pixelValues, i * length);
  });
  return values;
}

/** Input pixelValues [B * frames, 3, H, W] → [B, N, C]. */
export function imageTokens(vlm: Vlm, graph: Graph, w: Parameters, batchSize: number): Tensor {
  const pixelValues = graph.input('pixelValues', [batchSize * vlm.frames, ...vlm.imageShape], 'f32');
  return vlm.pool(vlm.encode(pixelValues, w));
}

/** Scores of the word that follows each of an answer but its last: input ids [B, A] → [B * A, V]. */
export function answerLogits(vlm: Vlm, { answerTokens }: Task, image: Tensor, w: Parameters): Tensor {
  const [B = 1, N = 0] = image.shape;
  const [A, C] = [answerTokens - 1, vlm.decoder.text.hiddenSize];
  const language = w.scope(PART_PREFIXES.decoder);
  const words = vlm.decoder.embedTokens(image.graph.input('ids', [B, A], 'u32'), language, 'f32');
  const hidden = readTokens(vlm.decoder, concat([image, words], 1), language); // [B, N + A, C]
  return vlm.decoder.logits(reshape(slice(hidden, 1, N), [B * A, C]), language);
}

/** The likeliest words, each after the right ones before it. [B * A, V] → [B * A] u32 */
export const likeliestWords = (logits: Tensor): Tensor => argmax(logits);

/** The mean of a clip's tokens as a unit vector. [B, N, C] → [B, C] */
export const pictureVectors = (image: Tensor): Tensor => l2Normalize(reduceMean(image, 1));

/** The decoder's state at the end of each answer as a unit vector: inputs text [B, A + 1], ends [B] → [B, C]. */
export function answerVectors(
  { decoder }: Vlm,
  { answerTokens: S }: Task,
  graph: Graph,
  w: Parameters,
  B: number,
): Tensor {
  const language = w.scope(PART_PREFIXES.decoder);
  const words = decoder.embedTokens(graph.input('text', [B, S], 'u32'), language, 'f32');
  const hidden = reshape(readTokens(decoder, words, language), [B * S, decoder.text.hiddenSize]);
  return l2Normalize(embedding(graph.input('ends', [B], 'u32'), hidden, { dtype: 'f32' }));
}

/** Sequences from their beginning. [B, S, C] → [B, S, C] */
export function readTokens(decoder: Model, embeds: Tensor, w: Parameters): Tensor {
  const [B = 1, S = 1] = embeds.shape;
  const { graph } = embeds;
  const positions = Uint32Array.from({ length: B * S }, (_, i) => i % S);
  return decoder.decode(embeds, w, {
    positions: graph.constant(`ablation.positions.${B}.${S}`, positions, [B, S]),
    past: graph.constant(`ablation.past.${B}`, new Uint32Array(B), [B]),
    capacity: S,
    kvCacheDType: 'f32',
  });
}
