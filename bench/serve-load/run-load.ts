import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';

export interface LoadResult {
  readonly seconds: number;
  readonly answered: number;
  /** 429: the queue was full. */
  readonly refused: number;
  /** Answers unlike the reference's. */
  readonly wrong: readonly string[];
  readonly errors: readonly string[];
  readonly tokens: number;
  /** Seconds of each answer. */
  readonly latencies: readonly number[];
  readonly memory: Memory;
}

/** Bytes in the second and in the last quarter of the time: medians of what the server tells. */
interface Memory {
  readonly early: number;
  readonly late: number;
  readonly gpuEarly: number;
  readonly gpuLate: number;
}

interface Question {
  readonly url: string;
  readonly question: string;
  readonly answer: string;
}

/** The example pictures with the reference's greedy answers. */
function readQuestions(): readonly Question[] {
  const scenes = JSON.parse(readFileSync('examples/expected.json', 'utf8')) as readonly {
    readonly image: string;
    readonly questions: readonly { readonly question: string; readonly answer: string }[];
  }[];
  return scenes.flatMap(({ image, questions }) => {
    const url = `data:image/png;base64,${readFileSync(`examples/${image}`).toString('base64')}`;
    return questions.map(({ question, answer }) => ({ url, question, answer }));
  });
}

/** How long a client waits that was told to come again, at most: a run is short. */
const MAX_PAUSE_MS = 2000;
const SAMPLE_MS = 500;

/** Not counted: until then the server compiles what its first requests need. */
const WARM_UP_SECONDS = 15;

/** `clients` that ask one question after another for `seconds`, every other one with its answer streamed. */
export async function runLoad(url: string, clients: number, seconds: number): Promise<LoadResult> {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0, timeout: 300_000 });
  const { data } = await client.models.list();
  const questions = readQuestions();
  const model = data[0]?.id ?? '';
  const counts = { answered: 0, refused: 0, tokens: 0 };
  const wrong: string[] = [];
  const errors: string[] = [];
  const latencies: number[] = [];
  const started = performance.now() + WARM_UP_SECONDS * 1000;
  const until = started + seconds * 1000;
  // What is not answered by then is given up, and not counted.
  const signal = AbortSignal.timeout((WARM_UP_SECONDS + seconds) * 1000);
  setMaxListeners(0, signal);

  const ask = async (number: number): Promise<void> => {
    const { url: picture = '', question = '', answer } = questions[number % questions.length] ?? {};
    const begun = performance.now();
    const { text, tokens } = await answerOf(
      { client, model, signal },
      { url: picture, question },
      number % 2 === 0,
    );
    // A stream that is given up ends like one that is whole.
    if (signal.aborted) return;
    if (performance.now() > started) {
      counts.answered++;
      counts.tokens += tokens;
    }
    if (text !== answer) wrong.push(`"${question}": "${text}" instead of "${answer}"`);
    latencies.push((performance.now() - begun) / 1000);
  };
  const runClient = async (first: number): Promise<void> => {
    for (let number = first; performance.now() < until; number += clients) {
      try {
        await ask(number);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof OpenAI.RateLimitError)) errors.push(String(error));
        else counts.refused++;
        const wanted = Number((error as { headers?: Headers }).headers?.get('retry-after') ?? 1) * 1000;
        await new Promise((resolve) => setTimeout(resolve, Math.min(wanted, MAX_PAUSE_MS)));
      }
    }
  };
  const samples = sampleMemory(url, until);
  await Promise.all(Array.from({ length: clients }, (_, i) => runClient(i)));
  const memory = memoryOf(await samples);
  return { seconds: (performance.now() - started) / 1000, ...counts, wrong, errors, latencies, memory };
}

interface Asking {
  readonly client: OpenAI;
  readonly model: string;
  readonly signal: AbortSignal;
}

async function answerOf(
  { client, model, signal }: Asking,
  { url, question }: Pick<Question, 'url' | 'question'>,
  stream: boolean,
) {
  const request = {
    model,
    temperature: 0,
    messages: [
      {
        role: 'user' as const,
        content: [
          { type: 'image_url' as const, image_url: { url } },
          { type: 'text' as const, text: question },
        ],
      },
    ],
  };
  if (!stream) {
    const { choices, usage } = await client.chat.completions.create(request, { signal });
    return { text: choices[0]?.message.content ?? '', tokens: usage?.completion_tokens ?? 0 };
  }
  let text = '';
  let tokens = 0;
  const options = { stream: true, stream_options: { include_usage: true } } as const;
  const chunks = await client.chat.completions.create({ ...request, ...options }, { signal });
  for await (const { choices, usage } of chunks) {
    text += choices[0]?.delta.content ?? '';
    tokens += usage?.completion_tokens ?? 0;
  }
  return { text, tokens };
}

interface Sample {
  readonly resident: number;
  readonly gpu: number;
}

async function sampleMemory(url: string, until: number): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  while (performance.now() < until) {
    const text = await (await fetch(`${url}/metrics`, { headers: { connection: 'close' } })).text();
    const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    samples.push({ resident: value('process_resident_memory_bytes'), gpu: value('tessera_gpu_bytes') });
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
  }
  return samples;
}

function memoryOf(samples: readonly Sample[]): Memory {
  const quarter = Math.floor(samples.length / 4);
  const [second, last] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)];
  const median = (values: readonly number[]): number =>
    [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  return {
    early: median(second.map(({ resident }) => resident)),
    late: median(last.map(({ resident }) => resident)),
    gpuEarly: median(second.map(({ gpu }) => gpu)),
    gpuLate: median(last.map(({ gpu }) => gpu)),
  };
}
