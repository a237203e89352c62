import OpenAI from 'openai';
import { metricOf } from './metrics.ts';
import type { Mix, Question } from './questions.ts';

export interface LoadResult {
  readonly seconds: number;
  /** Processor time of the server. */
  readonly cpuSeconds: number;
  readonly answered: number;
  /** 429: the queue was full. */
  readonly refused: number;
  /** Answers unlike the reference's, or unlike those given before to the same question of text. */
  readonly wrong: readonly string[];
  readonly errors: readonly string[];
  /** Of answers and of prompts. */
  readonly tokens: number;
  readonly promptTokens: number;
  /** Prompt tokens that were in the cache. */
  readonly reusedTokens: number;
  /** Seconds of each answer. */
  readonly latencies: readonly number[];
}

export interface Load {
  readonly url: string;
  readonly mix: Mix;
  readonly question: (mix: Mix, number: number) => Question;
  readonly clients: number;
  readonly seconds: number;
  /** Questions before this number were asked by others. */
  readonly first: number;
  /** Answers to questions of text alone, filled by whoever asks first. */
  readonly known: Map<string, string>;
}

/** How long a client waits that was told to come again, at most: a run is short. */
const MAX_PAUSE_MS = 1000;

/** `clients` that ask one question after another for `seconds`, every other one with its answer streamed; all are waited for. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const { url, clients, seconds } = load;
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, timeout: 300_000 });
  const { data } = await client.models.list();
  const model = data[0]?.id ?? '';
  const counts = { answered: 0, refused: 0, tokens: 0, promptTokens: 0, reusedTokens: 0 };
  const wrong: string[] = [];
  const errors: string[] = [];
  const latencies: number[] = [];
  const cpuBefore = await cpuSecondsOf(url);
  const started = performance.now();
  const until = started + seconds * 1000;
  let next = load.first;

  const ask = async (number: number): Promise<void> => {
    const question = load.question(load.mix, number);
    const begun = performance.now();
    const { text, usage } = await answerOf({ client, model }, question, number % 2 === 0);
    counts.answered++;
    counts.tokens += usage?.completion_tokens ?? 0;
    counts.promptTokens += usage?.prompt_tokens ?? 0;
    counts.reusedTokens += usage?.prompt_tokens_details?.cached_tokens ?? 0;
    latencies.push((performance.now() - begun) / 1000);
    const expected = question.answer ?? load.known.get(question.text) ?? text;
    if (question.answer === undefined) load.known.set(question.text, expected);
    if (text !== expected) wrong.push(`"${question.text}": "${text}" instead of "${expected}"`);
  };
  const runClient = async (): Promise<void> => {
    while (performance.now() < until) {
      try {
        await ask(next++);
      } catch (error) {
        if (!(error instanceof OpenAI.RateLimitError)) errors.push(String(error));
        else counts.refused++;
        const wanted = Number((error as { headers?: Headers }).headers?.get('retry-after') ?? 1) * 1000;
        await new Promise((resolve) => setTimeout(resolve, Math.min(wanted, MAX_PAUSE_MS)));
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, runClient));
  const ended = performance.now();
  const cpuSeconds = (await cpuSecondsOf(url)) - cpuBefore;
  return { seconds: (ended - started) / 1000, cpuSeconds, ...counts, wrong, errors, latencies };
}

/** One result of several parts. */
export function joinResults(parts: readonly LoadResult[]): LoadResult {
  const sum = (of: (part: LoadResult) => number): number =>
    parts.reduce((total, part) => total + of(part), 0);
  return {
    seconds: sum(({ seconds }) => seconds),
    cpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    answered: sum(({ answered }) => answered),
    refused: sum(({ refused }) => refused),
    tokens: sum(({ tokens }) => tokens),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    reusedTokens: sum(({ reusedTokens }) => reusedTokens),
    wrong: parts.flatMap(({ wrong }) => wrong),
    errors: parts.flatMap(({ errors }) => errors),
    latencies: parts.flatMap(({ latencies }) => latencies),
  };
}

async function cpuSecondsOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
  return metricOf(text, 'process_cpu_seconds_total');
}

interface Asking {
  readonly client: OpenAI;
  readonly model: string;
}

async function answerOf(
  { client, model }: Asking,
  { picture, text: question, maxTokens }: Question,
  stream: boolean,
) {
  const pictures = picture === undefined ? [] : [{ type: 'image_url' as const, image_url: { url: picture } }];
  const content = [...pictures, { type: 'text' as const, text: question }];
  const messages = [{ role: 'user' as const, content }];
  const request = { model, temperature: 0, max_completion_tokens: maxTokens, messages };
  if (!stream) {
    const { choices, usage } = await client.chat.completions.create(request);
    return { text: choices[0]?.message.content ?? '', usage };
  }
  let text = '';
  let counted: OpenAI.CompletionUsage | undefined;
  const options = { stream: true, stream_options: { include_usage: true } } as const;
  const chunks = await client.chat.completions.create({ ...request, ...options });
  for await (const { choices, usage } of chunks) {
    text += choices[0]?.delta.content ?? '';
    counted = usage ?? counted;
  }
  return { text, usage: counted };
}
