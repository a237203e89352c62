import type { ContrastiveModel } from '../embed/contrastive-model.ts';
import { type LoadContrastiveOptions, loadContrastiveModel } from '../embed/load-contrastive-model.ts';
import { openModelFiles } from '../generate/model-files.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import type { Terminal } from './command.ts';
import { formatUnused, type ModelOptions, modelOptions, modelSource } from './model-options.ts';
import { createProgressLine, formatLoadProgress } from './progress.ts';
import { UsageError } from './usage-error.ts';

/** The options of every command that embeds. */
export const contrastiveOptions = {
  ...modelOptions,
  model: {
    ...modelOptions.model,
    help: 'CLIP or SigLIP checkpoint: a folder, http(s) address of one, or id on the Hugging Face hub; required, since none is built in',
  },
} as const;

/** Throws UsageError where no model is named. */
export function requireModel(command: string, model: string | undefined): string {
  if (model !== undefined) return model;
  throw new UsageError(
    `${command} needs --model: no contrastive model is built in. Give a CLIP or SigLIP checkpoint's folder, or a hub id such as openai/clip-vit-base-patch32.`,
  );
}

export interface OpenedModel {
  readonly model: ContrastiveModel;
  readonly files: CheckpointFiles;
}

/** Loads the model that was asked for, with progress, notice and warnings on stderr. */
export async function openContrastiveModel(
  command: string,
  { model, adapter, dtype, device }: ModelOptions,
  { stderr, signal }: Terminal,
  towers: LoadContrastiveOptions['towers'],
): Promise<OpenedModel> {
  const source = await modelSource(requireModel(command, model), { stderr, signal });
  const files = await openModelFiles(source);
  const progress = createProgressLine(stderr);
  try {
    const loaded = await loadContrastiveModel(files, {
      adapter,
      dtype,
      device,
      signal,
      towers,
      onProgress: (step) => progress.show(formatLoadProgress(step)),
    });
    progress.clear();
    if (loaded.notice) stderr.write(`${loaded.notice}\n`);
    if (loaded.unusedTensors.length > 0) stderr.write(`${formatUnused(loaded.unusedTensors)}\n`);
    return { model: loaded, files };
  } finally {
    progress.clear();
  }
}
