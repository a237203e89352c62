import Benchmark from 'benchmark';

export interface WallClockOptions {
  /** Time to spend on samples; a few are taken even where that is not enough. */
  readonly maxSeconds: number;
}

/**
 * Milliseconds a call of `run` takes, one value per sample of `benchmark`, which decides how many calls make a
 * sample. Calls follow one another. Rejects with what `run` rejects with.
 */
export function sampleWallClock(
  name: string,
  run: () => Promise<void>,
  { maxSeconds }: WallClockOptions,
): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    const benchmark = new Benchmark(name, {
      defer: true,
      maxTime: maxSeconds,
      fn(deferred: Benchmark.Deferred) {
        run().then(
          () => deferred.resolve(),
          (error: unknown) => {
            reject(error);
            benchmark.abort();
          },
        );
      },
    });
    benchmark.on('complete', () => {
      if (benchmark.error) reject(benchmark.error);
      else resolve(benchmark.stats.sample.map((seconds: number) => seconds * 1000));
    });
    benchmark.run({ async: true });
  });
}
