import { invariant } from '../../core/errors.ts';
import type { Session } from '../../runtime/session.ts';
import type { Trainer } from '../trainer.ts';
import {
  answerLogits,
  answerVectors,
  batchOf,
  imageTokens,
  likeliestWords,
  pictureVectors,
  pixelsOf,
  textOf,
} from './losses.ts';
import type { Example, Task } from './task.ts';
import type { Vlm } from './vlm.ts';
import { decodeAnswer } from './words.ts';

/** The share of the task's evaluation that a model in training gets right. */
export async function evaluateVlm(
  trainer: Trainer,
  vlm: Vlm,
  task: Task,
  batchSize: number,
): Promise<number> {
  const answer =
    vlm.loss === 'next-token'
      ? await createWriter(trainer, vlm, task, batchSize)
      : await createChooser(trainer, vlm, task, batchSize);
  let right = 0;
  for (const examples of batchesOf(task.evaluation, batchSize)) {
    const answers = await answer(examples);
    right += examples.filter(({ answer: truth }, i) => task.isRight(answers[i] ?? '', truth)).length;
  }
  return right / task.evaluation.length;
}

type Answer = (examples: readonly Example[]) => Promise<readonly string[]>;

/**
 * Writes answers. Each word is the likeliest after the right ones before it: a whole answer is right so exactly when greedy
 * decoding would have written it.
 */
async function createWriter(trainer: Trainer, vlm: Vlm, task: Task, batchSize: number): Promise<Answer> {
  const pass = await trainer.openPass((graph, w) => {
    const logits = answerLogits(vlm, task, imageTokens(vlm, graph, w, batchSize), w);
    graph.output('words', likeliestWords(logits));
  });
  const length = task.answerTokens - 1;
  return async (examples) => {
    const { pixelValues, ids } = batchOf(vlm, task, filled(examples, batchSize));
    invariant(pixelValues && ids, 'a batch has pixel values and ids');
    const { words } = await pass.runAndRead({ pixelValues, ids }, ['words']);
    return examples.map((_, i) => decodeAnswer([...(words?.slice(i * length, (i + 1) * length) ?? [])]));
  };
}

/** Chooses the answer whose vector is nearest to that of the clip. */
async function createChooser(trainer: Trainer, vlm: Vlm, task: Task, batchSize: number): Promise<Answer> {
  const texts = await trainer.openPass((graph, w) => {
    graph.output('vectors', answerVectors(vlm, task, graph, w, batchSize));
  });
  const pictures = await trainer.openPass((graph, w) => {
    graph.output('vectors', pictureVectors(imageTokens(vlm, graph, w, batchSize)));
  });
  const { hiddenSize: width } = vlm.decoder.text;
  const rowsOf = async (pass: Session, inputs: Parameters<Session['run']>[0], count: number) => {
    const { vectors } = await pass.runAndRead(inputs, ['vectors']);
    return Array.from({ length: count }, (_, i) => vectors?.slice(i * width, (i + 1) * width) ?? []);
  };
  const known: { readonly answer: string; readonly vector: ArrayLike<number> }[] = [];
  for (const answers of batchesOf(task.answers, batchSize)) {
    const vectors = await rowsOf(texts, textOf(task, filled(answers, batchSize)), answers.length);
    answers.forEach((answer, i) => {
      known.push({ answer, vector: vectors[i] ?? [] });
    });
  }
  return async (examples) => {
    const pixelValues = pixelsOf(filled(examples, batchSize));
    const vectors = await rowsOf(pictures, { pixelValues }, examples.length);
    return vectors.map((vector) => {
      const scores = known.map((text) => dot(vector, text.vector));
      return known[scores.indexOf(Math.max(...scores))]?.answer ?? '';
    });
  };
}

function batchesOf<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );
}

/** As many as a batch holds: the first stands where there is none. */
const filled = <T>(items: readonly T[], size: number): readonly T[] =>
  Array.from({ length: size }, (_, i) => items[Math.min(i, items.length - 1)] as T);

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
