import type { GenerationResult } from '../generate/generation.ts';
import type { GenerateOptions, VisionLanguageModel } from '../generate/vision-language-model.ts';
import { loadPicture } from '../image/load-picture.ts';
import { type Message, mediaOf } from '../text/messages.ts';
import { defineCommand, type OptionValues, type Terminal } from './command.ts';
import { readMessages } from './messages-file.ts';
import { loraOption, modelOptions, openModel } from './model-options.ts';
import { checkStdinOnce, readStdin, STDIN } from './read-stdin.ts';
import { generateOptions, samplingOptions } from './sampling-options.ts';
import { formatStats, type RunStats } from './stats.ts';
import { UsageError } from './usage-error.ts';

const options = {
  prompt: { kind: 'text', value: 'TEXT', help: 'the question; default "Describe the image."' },
  messages: {
    kind: 'text',
    value: 'FILE.json',
    help: 'a whole conversation instead of pictures and a prompt: a list of {"role", "content"}, with content parts {"type": "text", "text"} and {"type": "image", "image": PATH relative to the file}',
  },
  raw: { kind: 'flag', help: 'the prompt is text to go on from, without the chat template' },
  ...modelOptions,
  ...loraOption,
  ...samplingOptions,
  json: { kind: 'flag', help: 'one JSON object when the answer is whole, instead of text as it comes' },
  stats: { kind: 'flag', help: 'times, speed and memory, on stderr' },
} as const;

type DescribeOptions = OptionValues<typeof options>;

const DEFAULT_PROMPT = 'Describe the image.';

export const describeCommand = defineCommand({
  name: 'describe',
  details: [
    'All pictures go into one prompt, in the order given; without any, a --prompt is answered alone. A picture is a path, an http(s) address, or - for standard input.',
    '--json prints { model, adapter, text, tokenIds, promptTokenIds, finishReason, stats }.',
  ].join('\n\n'),
  operands: { usage: '[IMAGE...]', min: 0 },
  options,
  examples: [
    'tessera describe photo.jpg',
    'tessera describe photo.jpg --prompt "How many cats are there?" --stats',
    'tessera describe before.png after.png --prompt "What changed?" --model ./llava-1.5-7b-hf',
    'tessera describe scene.png --greedy --max-new-tokens 32 --json',
    'tessera describe --messages conversation.json --json',
  ],
  async run(values, images, terminal) {
    const request = await readRequest(values, images, terminal);
    const model = await openModel(values, terminal);
    try {
      const generation = model.generate({
        ...generateOptions(values),
        ...request,
        signal: terminal.signal,
      });
      if (!values.json) await writePieces(generation, terminal.stdout);
      const result = await generation;
      const stats = { loadMs: model.loadMs, weights: model.weights, ...result.stats };
      if (values.json) terminal.stdout.write(`${JSON.stringify(toJson(model, result, stats))}\n`);
      if (values.stats) terminal.stderr.write(`${formatStats(stats, model.adapterName).join('\n')}\n`);
      return 0;
    } finally {
      model.dispose();
    }
  },
});

type Request = Pick<GenerateOptions, 'prompt' | 'raw' | 'messages' | 'images'>;

/** Everything that can be wrong with what was given is said before a model is loaded; so pictures are read here. */
async function readRequest(
  { prompt, messages, raw }: DescribeOptions,
  images: readonly string[],
  terminal: Terminal,
): Promise<Request> {
  const { signal } = terminal;
  if (messages !== undefined) {
    if (prompt !== undefined || raw || images.length > 0) {
      throw new UsageError(
        'describe: --messages holds the whole conversation; expected no IMAGE, --prompt or --raw.',
      );
    }
    const conversation = await readMessages(messages);
    const pictures = mediaOf(conversation).flatMap((part) =>
      part.type === 'image' ? [loadPicture(part.image as string, { signal })] : [],
    );
    return { messages: withoutImages(conversation), images: await Promise.all(pictures) };
  }
  if (prompt === undefined && images.length === 0) {
    throw new UsageError('describe needs a picture, --prompt or --messages. See: tessera describe --help');
  }
  checkStdinOnce('describe', images);
  const pictures = images.map(async (image) =>
    loadPicture(image === STDIN ? await readStdin(terminal) : image, { signal }),
  );
  return { prompt: prompt ?? DEFAULT_PROMPT, raw, images: await Promise.all(pictures) };
}

/** The pictures were taken out, and go in as a list. */
const withoutImages = (messages: readonly Message[]): Message[] =>
  messages.map(({ role, content }) => ({
    role,
    content:
      typeof content === 'string'
        ? content
        : content.map((part) => (part.type === 'image' ? { type: 'image' } : part)),
  }));

/** Text as it comes, ended by a line break. */
export async function writePieces(pieces: AsyncIterable<string>, stdout: Terminal['stdout']): Promise<void> {
  let last = '';
  for await (const piece of pieces) {
    stdout.write(piece);
    last = piece;
  }
  if (!last.endsWith('\n')) stdout.write('\n');
}

function toJson(model: VisionLanguageModel, result: GenerationResult, stats: RunStats) {
  const { text, tokenIds, promptTokenIds, finishReason } = result;
  return {
    model: model.name,
    adapter: model.adapterName,
    text,
    tokenIds,
    promptTokenIds,
    finishReason,
    stats,
  };
}
