/** Long enough to even out the bursts of parallel ranges, short enough to follow a line that changes. */
const WINDOW_MS = 10_000;
const FIRST_MS = 1_000;
const SAMPLE_MS = 200;

/**
 * Takes the count of bytes there are at each moment and gives bytes per second over the last seconds, undefined until
 * the first is over. What is there at the first moment came earlier.
 */
export function createTransferRate(
  now: () => number = () => performance.now(),
): (done: number) => number | undefined {
  let samples: readonly { readonly atMs: number; readonly done: number }[] = [];
  return (done) => {
    const atMs = now();
    const last = samples.at(-1);
    if (!last || atMs - last.atMs >= SAMPLE_MS) {
      samples = [...samples.filter((sample) => atMs - sample.atMs <= WINDOW_MS), { atMs, done }];
    }
    const [first] = samples;
    if (!first || atMs - first.atMs < FIRST_MS) return undefined;
    return ((done - first.done) / (atMs - first.atMs)) * 1000;
  };
}
