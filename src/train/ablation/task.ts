import { ConfigError } from '../../core/errors.ts';
import { motionTask } from './motion-task.ts';
import { scenesTask } from './scenes-task.ts';

/** What a model learns to see: pictures of scenes, or which way something moves in a clip. */
export type TaskChoice = { readonly kind: 'scenes' } | { readonly kind: 'motion'; readonly frames: number };

/** A clip with what is to be said of it. A picture is a clip of one frame. */
export interface Example {
  /** [frames, 3, size, size], from -1 to 1. */
  readonly pixelValues: Float32Array;
  readonly answer: string;
}

export interface Task {
  readonly frames: number;
  /** Side of a frame in pixels. */
  readonly imageSize: number;
  /** Tokens of an answer, start and end among them. */
  readonly answerTokens: number;
  /** The most clips of a batch, all of which have different answers. */
  readonly largestBatch: number;
  /** Clips to train on, a function of seed and step. */
  batch(step: number, size: number): readonly Example[];
  /** Clips that no step sees, the same for every architecture. */
  readonly evaluation: readonly Example[];
  /** All answers that a clip of the evaluation might have. */
  readonly answers: readonly string[];
  /** Whether an answer counts as right. */
  isRight(answer: string, truth: string): boolean;
  /** What guessing gets right. */
  readonly chance: number;
}

/** Throws ConfigError for a clip without frames. */
export function createTask(choice: TaskChoice, seed: number): Task {
  if (choice.kind === 'scenes') return scenesTask(seed);
  if (!Number.isSafeInteger(choice.frames) || choice.frames < 2)
    throw new ConfigError(`task: a clip of ${choice.frames} frames; expected 2 or more.`);
  return motionTask(choice.frames, seed);
}
