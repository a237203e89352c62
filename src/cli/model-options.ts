import { stat } from 'node:fs/promises';
import { InputError } from '../core/errors.ts';
import type { Device } from '../device/gpu-device.ts';
import { type LoadOptions, loadModel } from '../generate/load-model.ts';
import type { VisionLanguageModel } from '../generate/vision-language-model.ts';
import { isHubId } from '../weights/hub/hub-id.ts';
import type { OptionValues, Terminal } from './command.ts';
import { downloadHubModel } from './hub-model.ts';
import { createProgressLine, formatLoadProgress } from './progress.ts';

/** The options of every command that runs a model. */
export const modelOptions = {
  model: {
    kind: 'text',
    value: 'DIR|HUB_ID',
    help: 'checkpoint folder, http(s) address of one, or id on the Hugging Face hub (org/name, or org/name@revision); default the built-in model',
  },
  adapter: {
    kind: 'text',
    value: 'NAME',
    help: 'gpu, lavapipe, swiftshader, or part of the name of an adapter that "tessera doctor" lists; default TESSERA_ADAPTER, or the best there is',
  },
  dtype: {
    kind: 'choice',
    choices: ['auto', 'f32', 'f16', 'q8', 'q4'],
    help: 'storage of weight matrices; q8 and q4 round them to 8 or 4 bits while loading; auto (the default) takes f32 or f16 by adapter and checkpoint',
  },
} as const;

/** Besides, for commands that write text. */
export const loraOption = {
  lora: {
    kind: 'texts',
    value: 'DIR',
    help: 'LoRA adapter as PEFT saves it (adapter_config.json, adapter_model.safetensors), merged into the weights while they load; may be repeated',
  },
} as const;

export type ModelOptions = OptionValues<typeof modelOptions> &
  Partial<OptionValues<typeof loraOption>> & {
    /** One that is there already, which stays the caller's. */
    readonly device?: Device | undefined;
    readonly warm?: LoadOptions['warm'];
  };

/** Loads the model that was asked for, with progress, notice and warnings on stderr. */
export async function openModel(
  { model, adapter, dtype, device, warm, lora = [] }: ModelOptions,
  { stderr, signal }: Terminal,
): Promise<VisionLanguageModel> {
  const source = await modelSource(model, { stderr, signal });
  const progress = createProgressLine(stderr);
  try {
    const loaded = await loadModel(source, {
      adapter,
      dtype,
      device,
      warm,
      adapters: lora,
      signal,
      onProgress: (step) => progress.show(formatLoadProgress(step)),
    });
    progress.clear();
    if (loaded.notice) stderr.write(`${loaded.notice}\n`);
    if (loaded.unusedTensors.length > 0) stderr.write(`${formatUnused(loaded.unusedTensors)}\n`);
    return loaded;
  } finally {
    progress.clear();
  }
}

/** What `--model` names: an address as it is, a folder, or the folder a hub model was downloaded into. */
export async function modelSource(
  model: string | undefined,
  { stderr, signal }: Pick<Terminal, 'stderr' | 'signal'>,
): Promise<string | undefined> {
  if (model === undefined || /^(https?|file):\/\//i.test(model) || (await isThere(model))) return model;
  if (!isHubId(model)) {
    throw new InputError(
      `--model "${model}": there is no such folder; expected a checkpoint folder, or a hub id such as org/name.`,
    );
  }
  try {
    return await downloadHubModel(model, undefined, { stderr, signal });
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InputError(`--model "${model}": there is no such folder here, and as a ${cause.message}`, {
      cause,
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

const MAX_LISTED = 5;

/** A warning that lists the first few of the tensors a model does not read. */
export function formatUnused(names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  const listed = names.slice(0, MAX_LISTED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
  return `Warning: the model does not use ${names.length} of the checkpoint's tensors: ${listed}`;
}
