import { Template } from '@huggingface/jinja';
import { ConfigError, InputError } from '../core/errors.ts';
import type { ContentPart, Message } from './messages.ts';
import type { SpecialRole, Tokenizer } from './tokenizer.ts';

export type ChatTemplate = {
  /** Renders a conversation to a prompt. Throws InputError when the template refuses the messages. */
  readonly render: (messages: readonly Message[], options?: RenderOptions) => string;
};

export type RenderOptions = {
  /** Whether the prompt ends where the assistant is to go on. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
};

/** The places a checkpoint may keep its template in; null where it has no such file. */
export type TemplateFiles = {
  /** Text of chat_template.jinja. */
  readonly jinja: string | null;
  /** Parsed chat_template.json. */
  readonly json: unknown;
  /** Parsed tokenizer_config.json. */
  readonly tokenizerConfig: unknown;
};

/**
 * The template's text, from the first file that holds one, in the reference's order of preference; of a list of
 * named templates, the one named "default". Null when there is none. Throws ConfigError for an odd one.
 */
export function findChatTemplate(files: TemplateFiles): string | null {
  if (files.jinja !== null) return files.jinja;
  const value = templateField(files.json) ?? templateField(files.tokenizerConfig);
  if (value === undefined) return null;
  if (typeof value === 'string') return value;
  const template = Array.isArray(value)
    ? value.find((entry) => entry?.name === 'default')?.template
    : (value as Readonly<Record<string, unknown>>).default;
  if (typeof template !== 'string') {
    throw new ConfigError(
      'chat template: the checkpoint holds named templates, none of them "default"; expected one of that name. Pass a template of your own.',
    );
  }
  return template;
}

const templateField = (json: unknown): unknown =>
  (json as { readonly chat_template?: unknown } | null | undefined)?.chat_template ?? undefined;

/**
 * Compiles a template. Throws ConfigError when it is null (the checkpoint was trained without conversations) or
 * is not valid Jinja.
 */
export function createChatTemplate(source: string | null, tokenizer: Tokenizer): ChatTemplate {
  if (source === null) {
    throw new ConfigError(
      'chat template: the checkpoint has none (chat_template.jinja, chat_template.json, or chat_template in tokenizer_config.json). Give a plain prompt instead of messages, or pass a template.',
    );
  }
  const template = compile(source);
  const run = (
    messages: readonly unknown[],
    { addGenerationPrompt = true, variables }: RenderOptions,
  ): string =>
    template.render({
      messages,
      add_generation_prompt: addGenerationPrompt,
      // The reference passes these as None; left undefined, `is not none` would hold for them.
      tools: null,
      documents: null,
      ...tokenVariables(tokenizer),
      ...variables,
    });
  const takes = probeContentForms(run);
  return {
    render(messages, options = {}) {
      try {
        return run(
          messages.map((message) => ({ ...message, content: adaptContent(message.content, takes) })),
          options,
        );
      } catch (cause) {
        if (cause instanceof InputError) throw cause;
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new InputError(`chat template: it refuses these messages (${reason}).`, { cause });
      }
    },
  };
}

function compile(source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`chat template: it is not valid Jinja (${reason}).`, { cause });
  }
}

function tokenVariables(tokenizer: Tokenizer): Readonly<Record<string, string>> {
  const roles: readonly SpecialRole[] = ['bos', 'eos', 'unk', 'pad'];
  const present = roles.flatMap((role) => {
    const token = tokenizer.special[role];
    return token ? [[`${role}_token`, token.text] as const] : [];
  });
  return Object.fromEntries(present);
}

type ContentForms = { readonly strings: boolean; readonly parts: boolean };
type Run = (messages: readonly unknown[], options: RenderOptions) => string;

/** Templates are written for content as text, as a list of parts, or for both; only trying tells which. */
function probeContentForms(run: Run): ContentForms {
  const probe = 'content-probe';
  const renders = (content: unknown): boolean => {
    try {
      const prompt = run([{ role: 'user', content }], {});
      // A template for text shows a list as its source.
      return prompt.includes(probe) && !/["']type["']/.test(prompt);
    } catch {
      return false;
    }
  };
  return { strings: renders(probe), parts: renders([{ type: 'text', text: probe }]) };
}

function adaptContent(content: Message['content'], takes: ContentForms): Message['content'] {
  if (typeof content === 'string') {
    return takes.parts && !takes.strings ? [{ type: 'text', text: content }] : content;
  }
  return takes.strings && !takes.parts ? joinText(content) : content.map(withoutPixels);
}

/** Jinja would make a value of its own of every byte of a picture that the caller holds in memory. */
function withoutPixels(part: ContentPart): ContentPart {
  if (part.type === 'image' && typeof part.image === 'object') return { ...part, image: part.type };
  if (part.type === 'video' && typeof part.video === 'object') return { ...part, video: part.type };
  return part;
}

function joinText(parts: readonly ContentPart[]): string {
  return parts
    .map((part) => {
      if (part.type === 'text') return part.text;
      throw new InputError(
        "chat template: a message holds a picture, but the checkpoint's template has no place for pictures; expected text only.",
      );
    })
    .join('');
}
