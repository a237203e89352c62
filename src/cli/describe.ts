import type { GenerationResult } from '../generate/generation.ts';
import type { GenerateOptions, VisionLanguageModel } from '../generate/vision-language-model.ts';
import { loadPicture } from '../image/load-picture.ts';
import type { Picture } from '../image/picture.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { openVideo, type VideoSource } from '../video/open-video.ts';
import { defineCommand, type OptionValues, type Terminal } from './command.ts';
import { openOperands } from './media-operands.ts';
import { readMessages } from './messages-file.ts';
import { loraOption, modelOptions, openModel } from './model-options.ts';
import { checkStdinOnce } from './read-stdin.ts';
import { generateOptions, samplingOptions } from './sampling-options.ts';
import { formatStats, type RunStats } from './stats.ts';
import { UsageError } from './usage-error.ts';
import { asksForVideo, videoOptions } from './video-options.ts';

const options = {
  prompt: { kind: 'text', value: 'TEXT', help: 'the question; default "Describe the image.", or the video' },
  messages: {
    kind: 'text',
    value: 'FILE.json',
    help: 'a whole conversation instead of pictures and a prompt: a list of {"role", "content"}, with content parts {"type": "text", "text"}, {"type": "image", "image": PATH relative to the file} and {"type": "video", "video": PATH, "numFrames" or "fps", "pooling": {"kind", "window"}}',
  },
  raw: { kind: 'flag', help: 'the prompt is text to go on from, without the chat template' },
  ...videoOptions,
  ...modelOptions,
  ...loraOption,
  ...samplingOptions,
  json: { kind: 'flag', help: 'one JSON object when the answer is whole, instead of text as it comes' },
  stats: { kind: 'flag', help: 'times, speed and memory, on stderr' },
} as const;

type DescribeOptions = OptionValues<typeof options>;

const DEFAULT_PROMPT = 'Describe the image.';
const DEFAULT_VIDEO_PROMPT = 'Describe the video.';

export const describeCommand = defineCommand({
  name: 'describe',
  details: [
    'All pictures and videos go into one prompt, in the order given; without any, a --prompt is answered alone. Each is a path, an http(s) address, or - for standard input; a folder of pictures is a video, and so is an animated GIF or WebP with --frames, --fps or --pool.',
    '--json prints { model, adapter, text, tokenIds, promptTokenIds, finishReason, stats }.',
  ].join('\n\n'),
  operands: { usage: '[IMAGE|VIDEO...]', min: 0 },
  options,
  examples: [
    'tessera describe photo.jpg',
    'tessera describe photo.jpg --prompt "How many cats are there?" --stats',
    'tessera describe before.png after.png --prompt "What changed?" --model ./llava-1.5-7b-hf',
    'tessera describe clip.mp4 --frames 16 --pool mean:4',
    'tessera describe scene.png --greedy --max-new-tokens 32 --json',
    'tessera describe --messages conversation.json --json',
  ],
  async run(values, operands, terminal) {
    const request = await readRequest(values, operands, terminal);
    const asked = { ...generateOptions(values), ...request, signal: terminal.signal };
    const model = await openModel({ ...values, warm: asked }, terminal);
    try {
      const generation = model.generate(asked);
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

/** Everything that can be wrong with what was given is said before a model is loaded; so media are opened here. */
async function readRequest(
  values: DescribeOptions,
  operands: readonly string[],
  terminal: Terminal,
): Promise<Request> {
  const { prompt, messages, raw } = values;
  if (messages !== undefined) {
    if (prompt !== undefined || raw || operands.length > 0 || asksForVideo(values)) {
      throw new UsageError(
        'describe: --messages holds the whole conversation; expected no IMAGE or VIDEO, --prompt, --raw, --frames, --fps or --pool.',
      );
    }
    return { messages: await openMessages(await readMessages(messages), terminal.signal) };
  }
  if (prompt === undefined && operands.length === 0) {
    throw new UsageError('describe needs a picture, --prompt or --messages. See: tessera describe --help');
  }
  checkStdinOnce('describe', operands);
  const media = await openOperands(operands, values, terminal);
  if (asksForVideo(values) && media.every(({ type }) => type === 'image')) {
    throw new UsageError('describe: --frames, --fps and --pool are for videos; expected one.');
  }
  const images = media.flatMap((part) => (part.type === 'image' ? [part.image as Picture] : []));
  if (images.length === media.length) return { prompt: prompt ?? DEFAULT_PROMPT, raw, images };
  if (raw) throw new UsageError('describe: --raw was given with a video; expected pictures, or no --raw.');
  const text = prompt ?? DEFAULT_VIDEO_PROMPT;
  return { messages: [{ role: 'user', content: [...media, { type: 'text', text }] }] };
}

/** The conversation with its pictures and videos opened. */
const openMessages = (messages: readonly Message[], signal: AbortSignal): Promise<Message[]> =>
  Promise.all(
    messages.map(async ({ role, content }) => ({
      role,
      content:
        typeof content === 'string' ? content : await Promise.all(content.map((part) => open(part, signal))),
    })),
  );

async function open(part: ContentPart, signal: AbortSignal): Promise<ContentPart> {
  if (part.type === 'text') return part;
  if (part.type === 'image') return { ...part, image: await loadPicture(part.image as string, { signal }) };
  return { ...part, video: await openVideo(part.video as VideoSource, { signal }) };
}

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
