import { createInterface, type Interface } from 'node:readline/promises';
import { AbortError, EngineError } from '../core/errors.ts';
import type { GenerateOptions, VisionLanguageModel } from '../generate/vision-language-model.ts';
import { loadPicture } from '../image/load-picture.ts';
import type { MediaPart, Message, VideoPart } from '../text/messages.ts';
import { openVideo } from '../video/open-video.ts';
import { type ChatLine, chatHelp, parseChatLine } from './chat-line.ts';
import { defineCommand, type Terminal } from './command.ts';
import { openOperands } from './media-operands.ts';
import { loraOption, modelOptions, openModel } from './model-options.ts';
import { STDIN } from './read-stdin.ts';
import { generateOptions, samplingOptions } from './sampling-options.ts';
import { formatStats } from './stats.ts';
import { UsageError } from './usage-error.ts';
import { samplingOfVideo, videoOptions } from './video-options.ts';

export const chatCommand = defineCommand({
  name: 'chat',
  details: [
    'One line is one turn; IMAGEs and VIDEOs belong to the first. Piped input works as well: each line is answered in order, and the first error ends the program.',
    chatHelp,
  ].join('\n\n'),
  operands: { usage: '[IMAGE|VIDEO...]', min: 0 },
  options: {
    ...videoOptions,
    ...modelOptions,
    ...loraOption,
    ...samplingOptions,
    stats: { kind: 'flag', help: 'times, speed and memory after each answer, on stderr' },
  },
  examples: [
    'tessera chat photo.jpg',
    'tessera chat --model HuggingFaceTB/SmolLM2-135M-Instruct --temperature 0.7',
    'printf "How many cats are there?\\n" | tessera chat photo.jpg',
  ],
  async run(values, operands, terminal) {
    if (operands.includes(STDIN)) {
      throw new UsageError(
        `chat: ${STDIN} is given, but standard input is the conversation; expected a path.`,
      );
    }
    const pending = await openOperands(operands, values, terminal);
    const model = await openModel(values, terminal);
    try {
      const { stats } = values;
      const sampling = samplingOfVideo(values);
      await talk({ model, terminal, settings: generateOptions(values), sampling, stats }, pending);
      return 0;
    } finally {
      model.dispose();
    }
  },
});

interface Chat {
  readonly model: VisionLanguageModel;
  readonly terminal: Terminal;
  readonly settings: GenerateOptions;
  /** Of every video. */
  readonly sampling: Omit<VideoPart, 'type' | 'video'>;
  readonly stats: boolean;
}

/** Conversation so far, and the pictures and videos that the next turn will show. */
interface History {
  readonly messages: readonly Message[];
  readonly pending: readonly MediaPart[];
}

const PROMPT = '> ';

async function talk(chat: Chat, pending: readonly MediaPart[]): Promise<void> {
  const { stdin, stderr, signal } = chat.terminal;
  const isTerminal = Boolean(stdin.isTTY && stderr.isTTY);
  // The prompt goes to stderr: stdout holds the answers alone.
  const lines = createInterface({ input: stdin, output: stderr, terminal: isTerminal, prompt: PROMPT });
  let answering: AbortController | undefined;
  const stop = (): void => (answering ? answering.abort() : lines.close());
  // In raw mode Ctrl-C is a key; without, it is the process's signal.
  lines.on('SIGINT', stop);
  signal.addEventListener('abort', () => lines.close());
  if (isTerminal) stderr.write('/help lists the commands; Ctrl-C stops an answer, Ctrl-D ends the chat.\n');

  let history: History = { messages: [], pending };
  try {
    if (isTerminal) lines.prompt();
    for await (const line of lines) {
      try {
        const parsed = parseChatLine(line);
        if (parsed.kind === 'quit') break;
        answering = new AbortController();
        history = await takeLine(chat, history, parsed, AbortSignal.any([answering.signal, signal]));
      } catch (error) {
        if (!isTerminal || signal.aborted || !(error instanceof EngineError)) throw error;
        stderr.write(`tessera: ${error.message}\n`);
      } finally {
        answering = undefined;
      }
      if (isTerminal) lines.prompt();
    }
    signal.throwIfAborted();
  } finally {
    closeLines(lines);
  }
}

function closeLines(lines: Interface): void {
  lines.removeAllListeners('SIGINT');
  lines.close();
}

async function takeLine(chat: Chat, history: History, line: ChatLine, signal: AbortSignal): Promise<History> {
  const { stderr } = chat.terminal;
  switch (line.kind) {
    case 'empty':
      return history;
    case 'help':
      stderr.write(`${chatHelp}\n`);
      return history;
    case 'reset':
      stderr.write('The conversation is forgotten.\n');
      return { messages: [], pending: [] };
    case 'image':
      return show(history, { type: 'image', image: await loadPicture(line.path) });
    case 'video':
      return show(history, { type: 'video', video: await openVideo(line.path), ...chat.sampling });
    case 'quit':
      return history;
    case 'say':
      return answerTurn(chat, history, line.text, signal);
  }
}

/** A stopped answer stays in the history as far as it came, so that turns keep taking turns. */
async function answerTurn(chat: Chat, history: History, text: string, signal: AbortSignal): Promise<History> {
  const { model, terminal, settings } = chat;
  const messages = [...history.messages, userTurn(text, history.pending)];
  const generation = model.generate({ ...settings, messages, signal });
  let answer = '';
  try {
    for await (const piece of generation) {
      terminal.stdout.write(piece);
      answer += piece;
    }
    terminal.stdout.write('\n');
    if (chat.stats) {
      const stats = { loadMs: model.loadMs, weights: model.weights, ...(await generation).stats };
      terminal.stderr.write(`${formatStats(stats, model.adapterName).join('\n')}\n`);
    }
  } catch (error) {
    if (!(error instanceof AbortError) || terminal.signal.aborted) throw error;
    terminal.stdout.write('\n');
  }
  return { messages: [...messages, { role: 'assistant', content: answer }], pending: [] };
}

const show = (history: History, part: MediaPart): History => ({
  ...history,
  pending: [...history.pending, part],
});

const userTurn = (text: string, shown: readonly MediaPart[]): Message => ({
  role: 'user',
  content: shown.length === 0 ? text : [...shown, { type: 'text', text }],
});
