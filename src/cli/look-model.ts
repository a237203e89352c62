import type { ContrastiveModel } from '../embed/contrastive-model.ts';
import { openModelFiles } from '../generate/model-files.ts';
import type { VisionLanguageModel } from '../generate/vision-language-model.ts';
import { isDualEncoder } from '../models/registry.ts';
import { readJson } from '../weights/checkpoint-files.ts';
import type { Terminal } from './command.ts';
import { openContrastiveModel } from './contrastive-options.ts';
import { type ModelOptions, modelSource, openModel } from './model-options.ts';

/** A model that writes, or one that compares. */
export type LookModel =
  | { readonly kind: 'writes'; readonly model: VisionLanguageModel }
  | { readonly kind: 'compares'; readonly model: ContrastiveModel };

/** Loads whichever kind of model was asked for, with progress, notice and warnings on stderr. */
export async function openLookModel(values: ModelOptions, terminal: Terminal): Promise<LookModel> {
  const source = await modelSource(values.model, terminal);
  const files = await openModelFiles(source);
  const config = await readJson(files, 'config.json');
  const options = { ...values, model: source };
  if (!isDualEncoder(config, `${files.name}: config.json`))
    return { kind: 'writes', model: await openModel({ ...options, warm: false }, terminal) };
  const { model } = await openContrastiveModel('look', options, terminal, ['image']);
  return { kind: 'compares', model };
}
