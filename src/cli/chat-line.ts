import { InputError } from '../core/errors.ts';
import { nearestName } from '../core/nearest.ts';

/** What a line typed into a chat asks for. */
export type ChatLine =
  | { readonly kind: 'say'; readonly text: string }
  | { readonly kind: 'image' | 'video'; readonly path: string }
  | { readonly kind: 'reset' | 'quit' | 'help' | 'empty' };

export const chatHelp = [
  '  /image PATH  show a picture with the next question',
  '  /video PATH  show a video, or a folder of its frames',
  '  /reset       forget the conversation',
  '  /help        this text',
  '  /quit        end; so does Ctrl-D',
].join('\n');

const commands = ['image', 'video', 'reset', 'help', 'quit'] as const;

/** Throws InputError for a command there is not. */
export function parseChatLine(line: string): ChatLine {
  const text = line.trim();
  if (text === '') return { kind: 'empty' };
  // Of paths and fractions only the first word could be taken for a command, and none is only letters.
  const [, name = '', rest = ''] = /^\/([a-z]+)(?:\s+(.*))?$/is.exec(text) ?? [];
  if (name === '') return { kind: 'say', text };
  const kind = commands.find((command) => command === name);
  if (!kind) {
    const near = nearestName(name, commands);
    throw new InputError(
      `/${name}: there is no such command; expected one of ${commands.map((command) => `/${command}`).join(', ')}.${near ? ` Did you mean /${near}?` : ''}`,
    );
  }
  if (kind !== 'image' && kind !== 'video') return { kind };
  if (rest === '') {
    throw new InputError(
      `/${kind}: no ${kind === 'image' ? 'picture' : 'video'} was named; expected /${kind} PATH.`,
    );
  }
  return { kind, path: rest.trim() };
}
