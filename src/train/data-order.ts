import { InputError } from '../core/errors.ts';
import { createRandom, pickDistinct } from './random.ts';

/** What there is to put into an order. */
export interface DataOrderOptions {
  /** Examples there are. */
  readonly count: number;
  readonly batchSize: number;
  readonly seed: number;
}

/** Apart from all other uses of random numbers with the same seed. */
const USE = 0x0de5;

/**
 * Which examples make the batch of a step: every epoch all of them in another order, but for a rest that fills no batch. A
 * function of the seed and the step alone, so a training that goes on needs no state but its step.
 * Throws InputError where the examples fill no batch.
 */
export function dataOrder({ count, batchSize, seed }: DataOrderOptions): (step: number) => readonly number[] {
  const perEpoch = Math.floor(count / batchSize);
  if (!(perEpoch >= 1)) {
    throw new InputError(
      `data order: ${count} examples for batches of ${batchSize}; expected as many examples as a batch at least.`,
    );
  }
  const examples = Array.from({ length: count }, (_, i) => i);
  let known = { epoch: -1, order: examples };
  return (step) => {
    const epoch = Math.floor(step / perEpoch);
    if (epoch !== known.epoch)
      known = { epoch, order: pickDistinct(examples, count, createRandom(seed, USE, epoch)) };
    const begin = (step % perEpoch) * batchSize;
    return known.order.slice(begin, begin + batchSize);
  };
}
