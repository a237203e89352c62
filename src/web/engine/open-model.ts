import type { Device } from '../../device/gpu-device.ts';
import type { ContrastiveModel } from '../../embed/contrastive-model.ts';
import { loadContrastiveModel } from '../../embed/load-contrastive-model.ts';
import { loadModel } from '../../generate/load-model.ts';
import type { VisionLanguageModel } from '../../generate/vision-language-model.ts';
import { readConfig } from '../../models/config-reader.ts';
import { isDualEncoder } from '../../models/registry.ts';
import { type CheckpointFiles, memoryFiles, readJson, urlFiles } from '../../weights/checkpoint-files.ts';
import type { LoadStep, ModelChoice } from '../protocol.ts';
import { deleteOldBuiltIns, modelFolder } from '../storage/model-folders.ts';
import { addressedModel, type BuiltIn, builtInModel, keptModel } from '../storage/remote-model.ts';
import { storedFiles } from '../storage/stored-files.ts';

/** A model that writes, or one that compares. */
export type OpenModel =
  | { readonly kind: 'writes'; readonly model: VisionLanguageModel; readonly modelType: string }
  | { readonly kind: 'compares'; readonly model: ContrastiveModel; readonly modelType: string };

export interface OpenOptions {
  readonly device: Device;
  readonly builtIn: BuiltIn;
  readonly signal: AbortSignal;
  readonly onStep: (step: LoadStep) => void;
}

/** Downloads what is missing, and loads it. Throws as `loadModel` does. */
export async function openModel(choice: ModelChoice, options: OpenOptions): Promise<OpenModel> {
  const { device, signal, onStep } = options;
  const files = await filesOf(choice, options);
  const where = `${files.name}: config.json`;
  const config = await readJson(files, 'config.json');
  const modelType = readConfig(config, where).string('model_type');
  const load = { device, signal, onProgress: onStep };
  return isDualEncoder(config, where)
    ? { kind: 'compares', model: await loadContrastiveModel(files, load), modelType }
    : { kind: 'writes', model: await loadModel(files, load), modelType };
}

async function filesOf(
  choice: ModelChoice,
  { builtIn, signal, onStep }: OpenOptions,
): Promise<CheckpointFiles> {
  if (choice.kind === 'files')
    return memoryFiles(choice.name, new Map(choice.files.map((file) => [file.name, file])));
  const remote = await remoteOf(choice, builtIn);
  const folder = await modelFolder(remote.key);
  if (!folder) return urlFiles(remote.base);
  if (choice.kind === 'built-in') await deleteOldBuiltIns(remote.key);
  let [done, total] = [0, 0];
  return storedFiles(remote, folder, {
    signal,
    onBytes({ received = 0, expected = 0 }) {
      [done, total] = [done + received, total + expected];
      onStep({ stage: 'download', done, total: Math.max(done, total) });
    },
  });
}

const remoteOf = async (choice: Exclude<ModelChoice, { kind: 'files' }>, builtIn: BuiltIn) => {
  if (choice.kind === 'built-in') return builtInModel(builtIn);
  return choice.kind === 'stored' ? keptModel(choice.key, builtIn) : addressedModel(choice.address);
};
