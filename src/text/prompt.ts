import type { Tokenizer } from './tokenizer.ts';

/**
 * Where a prompt's text comes from, which decides who adds the tokenizer's special tokens:
 * `plain` text gets them; a text model's `chat` template writes its own; a `multimodal-chat` prompt goes through
 * a processor, which adds them unless the template began with BOS.
 * Source: transformers, PreTrainedTokenizerBase.apply_chat_template and ProcessorMixin.apply_chat_template.
 */
export type PromptKind = 'plain' | 'chat' | 'multimodal-chat';

/** Ids of a prompt as the reference would feed them, with BOS exactly once where it belongs. */
export function encodePrompt(tokenizer: Tokenizer, prompt: string, kind: PromptKind): number[] {
  return tokenizer.encode(prompt, { addSpecialTokens: addsSpecialTokens(tokenizer, prompt, kind) });
}

function addsSpecialTokens(tokenizer: Tokenizer, prompt: string, kind: PromptKind): boolean {
  if (kind === 'plain') return true;
  if (kind === 'chat') return false;
  const bos = tokenizer.special.bos?.text;
  return bos === undefined || !prompt.startsWith(bos);
}
