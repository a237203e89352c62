import { createInterface, type Interface } from 'node:readline/promises';
import { AbortError, EngineError } from '../core/errors.ts';
import type { GenerateOptions, VisionLanguageModel } from '../generate/vision-language-model.ts';
import { loadPicture } from '../image/load-picture.ts';
import type { Picture } from '../image/picture.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import { type ChatLine, chatHelp, parseChatLine } from './chat-line.ts';
import { defineCommand, type Terminal } from './command.ts';
import { loraOption, modelOptions, openModel } from './model-options.ts';
import { generateOptions, samplingOptions } from './sampling-options.ts';
import { formatStats } from './stats.ts';

export const chatCommand = defineCommand({
  name: 'chat',
  details: [
    'One line is one turn; IMAGEs belong to the first. Piped input works as well: each line is answered in order, and the first error ends the program.',
    chatHelp,
  ].join('\n\n'),
  operands: { usage: '[IMAGE...]', min: 0 },
  options: {
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
  async run(values, images, terminal) {
    const pictures = await Promise.all(images.map((image) => loadPicture(image)));
    const model = await openModel(values, terminal);
    try {
      const { stats } = values;
      await talk({ model, terminal, settings: generateOptions(values), stats }, pictures);
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
  readonly stats: boolean;
}

/** Conversation so far, and the pictures that the next turn will show. */
interface History {
  readonly messages: readonly Message[];
  readonly pending: readonly Picture[];
}

const PROMPT = '> ';

async function talk(chat: Chat, pictures: readonly Picture[]): Promise<void> {
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

  let history: History = { messages: [], pending: pictures };
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
      return { ...history, pending: [...history.pending, await loadPicture(line.path)] };
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

function userTurn(text: string, pictures: readonly Picture[]): Message {
  if (pictures.length === 0) return { role: 'user', content: text };
  const shown: ContentPart[] = pictures.map((image) => ({ type: 'image', image }));
  return { role: 'user', content: [...shown, { type: 'text', text }] };
}
