import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device } from '../../device/gpu-device.ts';
import { listCheckpoints } from '../checkpoint.ts';
import { SCENE_SETTINGS } from '../scenes/settings.ts';
import { trainScenes } from '../scenes/train-scenes.ts';
import type { SweepConfig } from './sweep-config.ts';
import { teachDecoder } from './teach-decoder.ts';
import type { TrainingSettings } from './train-point.ts';

export const PROJECTOR_SETTINGS: TrainingSettings = {
  seed: 0,
  steps: 400,
  batchSize: 32,
  learningRate: 4e-3,
};

/** Steps of the CLIP whose tower is taken where no other is given. */
const ENCODER_STEPS = 400;
const DECODER_SETTINGS = { steps: 300, batchSize: 32, learningRate: 4e-3 } as const;

export interface ProjectorParts {
  /** Folders. */
  readonly encoder: string;
  readonly decoder: string;
}

export interface PrepareOptions {
  readonly device: Device;
  readonly folder: string;
  /** A CLIP of `train clip`; one is trained for fewer steps unless given. */
  readonly encoder?: string | undefined;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?:
    | ((part: 'encoder' | 'decoder', step: number, steps: number, losses: readonly number[]) => void)
    | undefined;
}

/** The parts that stay frozen, in folders below `folder`: each is trained once, and then found there. */
export async function prepareParts(options: PrepareOptions): Promise<ProjectorParts> {
  const { device, folder, seed, signal } = options;
  const decoder = join(folder, 'decoder');
  const encoder = options.encoder ?? (await trainEncoder(options));
  if (!(await exists(join(decoder, 'config.json')))) {
    await teachDecoder({
      ...{ device, folder: decoder, signal },
      sizes: { width: 64, layers: 2, heads: 4 },
      settings: { ...DECODER_SETTINGS, seed },
      onStep: (step, losses) => options.onStep?.('decoder', step, DECODER_SETTINGS.steps, losses),
    });
  }
  return { encoder, decoder };
}

/** Goes on where an earlier call was stopped. */
async function trainEncoder({ device, folder, seed, signal, onStep }: PrepareOptions): Promise<string> {
  const own = join(folder, 'encoder');
  const [newest] = await listCheckpoints(own);
  if (newest && newest.step >= ENCODER_STEPS) return newest.path;
  const { path } = await trainScenes({
    ...{ device, folder: own, signal, rounds: 1 },
    settings: newest
      ? undefined
      : { ...SCENE_SETTINGS, seed, steps: ENCODER_STEPS, checkpointEvery: ENCODER_STEPS / 2 },
    onStep: (step, _report, lines) =>
      onStep?.(
        'encoder',
        step,
        ENCODER_STEPS,
        lines.flatMap(({ loss }) => (typeof loss === 'number' ? [loss] : [])),
      ),
  });
  return path;
}

/** Three projectors at equal counts of tokens, between frozen parts (LLaVA's first stage, Liu et al. 2023, section 4.2). */
export const projectorSweep = (
  { encoder, decoder }: ProjectorParts,
  settings: TrainingSettings,
): SweepConfig => ({
  title: 'Projectors between a frozen encoder and a frozen decoder',
  task: { kind: 'scenes' },
  ...settings,
  encoders: [{ checkpoint: encoder }],
  projectors: [16, 4].flatMap((tokens) =>
    (['linear', 'mlp', 'c-abstractor'] as const).map((kind) => ({ kind, tokens })),
  ),
  decoders: [{ checkpoint: decoder }],
});

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
