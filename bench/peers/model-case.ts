import type { OpenPeerCase } from './peer.ts';

/**
 * A whole model, asked the same by every engine that has models; plain data, as a PeerCase is. Engines are asked to decode,
 * before which they have to prefill: the times of both are rows.
 */
export interface ModelCase {
  /** What a row's time is of: the prompt until the first token of the answer, or a token after it. */
  readonly op: 'model prefill' | 'model decode';
  /** The checkpoint, with its ONNX form in `onnx`, as the Hub has them. */
  readonly folder: string;
  readonly name: string;
  readonly promptTokens: number;
  readonly dtype: 'f32';
  /** Tokens after the first; 1 of the prefill. */
  readonly reps: number;
}

/** Text that models go on from for long; 128 tokens by the tokenizer of SmolLM2. */
export const PROMPT = `The harbour lay quiet in the early morning, and the fishing boats rocked gently against the old \
stone pier. Maria had come down before sunrise, as she did every day, to watch the fog lift from the water. Her \
grandfather had built the smallest of the boats with his own hands, more than sixty years ago, and it was still the one \
that the village knew by its red sail. This morning the sail was gone. She walked to the end of the pier and \
looked at the empty mast, then at the wet footprints that led from the boat to the lighthouse. The door of the lighthouse \
stood open, and from inside she heard`;

export const isModelCase = (one: { readonly op: string }): one is ModelCase =>
  one.op === 'model prefill' || one.op === 'model decode';

/** The row of the prompt of `one`, whose own row is of the tokens after the first. */
export const prefillOf = (one: ModelCase): ModelCase => ({ ...one, op: 'model prefill', reps: 1 });

export const modelShapeName = ({ op, name, promptTokens }: ModelCase): string =>
  `${name} ${op === 'model prefill' ? 'seq' : 'past'}=${promptTokens}`;

/** An answer that an engine writes. */
export interface ModelAnswer {
  /** Settles with the first token, or as `ids` does where there is none. */
  readonly first: Promise<unknown>;
  /** Of the prompt and of all new tokens. */
  readonly ids: Promise<readonly number[]>;
}

/** The case in an engine that answers PROMPT by `ask`, greedily. Its result is all ids. */
export function openModelCase(one: ModelCase, ask: (newTokens: number) => ModelAnswer): OpenPeerCase {
  const newTokens = 1 + one.reps;
  let begun: ModelAnswer | undefined;
  return {
    async read() {
      const ids = await ask(newTokens).ids;
      if (ids.length !== one.promptTokens + newTokens)
        throw new Error(`${ids.length} tokens; expected ${one.promptTokens} and ${newTokens} new ones`);
      return Float32Array.from(ids);
    },
    async prepare() {
      begun = ask(newTokens);
      await begun.first;
    },
    run: async () => void (await begun?.ids),
    dispose: () => undefined,
  };
}

/** Why ids are not those expected, the first that differs; undefined where they are. */
export function whyOtherTokens(
  { promptTokens }: ModelCase,
  ids: ArrayLike<number>,
  expected: ArrayLike<number>,
): string | undefined {
  if (ids.length !== expected.length)
    return `wrong result: ${ids.length} tokens; expected ${expected.length}`;
  const at = Array.from(ids).findIndex((id, i) => id !== expected[i]);
  if (at < 0) return undefined;
  const which = at < promptTokens ? `token ${at + 1} of the prompt` : `new token ${at - promptTokens + 1}`;
  return `wrong result: ${which} is ${ids[at]}; expected ${expected[at]}`;
}
