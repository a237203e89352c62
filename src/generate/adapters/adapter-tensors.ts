import { UnsupportedError, WeightError } from '../../core/errors.ts';
import type { TensorEntry, TensorIndex } from '../../weights/safetensors.ts';

/** The tensors of an adapter file, sorted out. Modules are named as in the base model it was trained on. */
export interface AdapterTensors {
  readonly pairs: readonly AdapterPair[];
  /** Tensors that take the place of the checkpoint's: PEFT's `modules_to_save`. */
  readonly replacements: readonly { readonly name: string; readonly entry: TensorEntry }[];
}

export interface AdapterPair {
  readonly module: string;
  readonly a: TensorEntry;
  readonly b: TensorEntry;
  readonly isEmbedding: boolean;
}

/**
 * `base_model.model.` + module + `.lora_A.weight`, as PEFT saves it; PEFT below 0.3, and a state dict as it is in memory,
 * have the adapter's name before `.weight`.
 */
const FACTOR = /^(.+)\.lora_(embedding_)?([AB])(?:\.[^.]+)??(?:\.weight)?$/;
const OTHER_FACTOR = /\.(lora_(?!A\b|B\b|embedding_[AB]\b)\w+|lora_[AB](?:\.[^.]+)?\.bias|token_adapter)\b/;

/** Throws WeightError for a half of a pair and for unknown names, UnsupportedError for DoRA, biases and the like. */
export function sortAdapterTensors(index: TensorIndex, where: string): AdapterTensors {
  const halves = new Map<string, { a?: TensorEntry; b?: TensorEntry; isEmbedding: boolean }>();
  const replacements: { name: string; entry: TensorEntry }[] = [];
  for (const entry of index.values()) {
    const name = baseName(entry.name, where);
    if (OTHER_FACTOR.test(name)) {
      throw new UnsupportedError(
        `${where}: tensor "${entry.name}" belongs to another method than plain LoRA; expected lora_A and lora_B. Merge the adapter with PEFT (merge_and_unload) and load the result.`,
      );
    }
    const [, module, embedding, side] = FACTOR.exec(name) ?? [];
    if (module === undefined) {
      replacements.push({ name: name.replace(/\.(modules_to_save\.[^.]+|base_layer)\./, '.'), entry });
      continue;
    }
    const half = halves.get(module) ?? { isEmbedding: embedding !== undefined };
    halves.set(module, { ...half, [side === 'A' ? 'a' : 'b']: entry });
  }
  const pairs = [...halves].map(([module, { a, b, isEmbedding }]) => {
    if (a && b) return { module, a, b, isEmbedding };
    throw new WeightError(
      `${where}: module "${module}" has lora_${a ? 'A' : 'B'} but no lora_${a ? 'B' : 'A'}; expected both. The file may be incomplete: save the adapter again.`,
    );
  });
  if (pairs.length === 0 && replacements.length === 0) {
    throw new WeightError(`${where}: holds no tensors; expected lora_A and lora_B of some modules.`);
  }
  return { pairs, replacements };
}

function baseName(name: string, where: string): string {
  if (name.startsWith(PREFIX)) return name.slice(PREFIX.length);
  throw new WeightError(
    `${where}: tensor "${name}" does not begin with "${PREFIX}"; expected an adapter that PEFT saved.`,
  );
}

const PREFIX = 'base_model.model.';

/**
 * Finds the checkpoint's tensor that an adapter calls `name`: itself, or the one that differs only in how the models
 * around are named. transformers 4.x has `language_model.model.layers`, 5.x `model.language_model.layers`, a language model
 * alone `model.layers`; so the leading `model` and `language_model` do not count.
 */
export function tensorFinder(index: TensorIndex): (name: string) => string | undefined {
  const byTail = new Map<string, string[]>();
  for (const name of index.keys()) byTail.set(tailOf(name), [...(byTail.get(tailOf(name)) ?? []), name]);
  return (name) => {
    if (index.has(name)) return name;
    const found = byTail.get(tailOf(name)) ?? [];
    return found.length === 1 ? found[0] : undefined;
  };
}

const tailOf = (name: string): string => name.replace(/^(?:(?:model|language_model)\.)+/, '');
