/** One answer, finished. */
export interface GenerationResult {
  readonly text: string;
  /** Generated ids; the end token is the last where one ended the answer. */
  readonly tokenIds: readonly number[];
  readonly promptTokenIds: readonly number[];
  /** `stop`: an end token or a stop string; `length`: maxNewTokens or the context was full. */
  readonly finishReason: 'stop' | 'length';
  readonly stats: GenerationStats;
}

/** Counts and times of one answer. */
export interface GenerationStats {
  readonly promptTokens: number;
  /** Of these, how many were in the KV cache from the answer before. */
  readonly reusedTokens: number;
  readonly generatedTokens: number;
  /** From the call to the first token, pictures included, in ms. */
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Tokens after the first per second after the first; 0 where there is only one. */
  readonly tokensPerSecond: number;
  /** Dispatches of the pass that makes one token; 0 where the answer had none of its own: one token, or a batch's. */
  readonly dispatchesPerToken: number;
  /** Highest sum of GPU buffers so far, in bytes. */
  readonly peakGpuBytes: number;
  /** The seed that sampling used; repeats the answer on the same adapter. */
  readonly seed: number;
}

/**
 * An answer being written: iterate it for pieces of text as they come, or await it for the whole.
 * Leaving the iteration early stops the generation.
 */
export interface Generation extends AsyncIterable<string>, PromiseLike<GenerationResult> {}

/** Starts `run` at once; each `emit` reaches every iterator, also one that comes late. */
export function createGeneration(
  run: (emit: (text: string) => void, signal: AbortSignal) => Promise<GenerationResult>,
  callerSignal?: AbortSignal,
): Generation {
  const abandon = new AbortController();
  const signal = callerSignal ? AbortSignal.any([callerSignal, abandon.signal]) : abandon.signal;
  const pieces: string[] = [];
  let news = deferred();
  const announce = (): void => {
    const { resolve } = news;
    news = deferred();
    resolve();
  };
  const emit = (text: string): void => {
    pieces.push(text);
    announce();
  };
  let finished = false;
  const result = run(emit, signal).finally(() => {
    finished = true;
    announce();
  });
  // An iterator or an awaiter reports the error; without either it must not end the process.
  result.catch(() => {});

  async function* iterate(): AsyncGenerator<string, void, undefined> {
    try {
      for (let next = 0; ; ) {
        const piece = pieces[next];
        if (piece !== undefined) {
          next++;
          yield piece;
        } else if (finished) {
          await result;
          return;
        } else {
          await news.promise;
        }
      }
    } finally {
      if (!finished) abandon.abort();
    }
  }

  return {
    [Symbol.asyncIterator]: iterate,
    // biome-ignore lint/suspicious/noThenProperty: a Generation is awaited by design
    then: (onFulfilled, onRejected) => result.then(onFulfilled, onRejected),
  };
}

interface Deferred {
  readonly promise: Promise<void>;
  resolve(): void;
}

/** Promise.withResolvers, which Node 20 lacks. */
function deferred(): Deferred {
  let resolve: () => void = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
