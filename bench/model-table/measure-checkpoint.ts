import type { Device } from '../../src/device/gpu-device.ts';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { GenerateOptions, VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { isDualEncoder } from '../../src/models/registry.ts';
import type { StageResult } from '../../src/verify/stage-result.ts';
import { verifyCheckpoint } from '../../src/verify/verify.ts';
import { readJson } from '../../src/weights/checkpoint-files.ts';
import { folderFiles } from '../../src/weights/checkpoint-folder.ts';

/** A checkpoint with a recorded reference, on one adapter in f32. */
export interface CheckpointMeasurement {
  readonly adapter: string;
  /** Recorded tensors that were compared, ids and texts among them. */
  readonly stages: number;
  readonly failed: readonly string[];
  /** The largest error of any stage relative to the RMS of the recorded values, and which stage that is. */
  readonly worst: { readonly relativeError: number; readonly stage: string };
  readonly tokensEqual: number;
  readonly tokensTotal: number;
  readonly peakGpuBytes: number;
  readonly speed: { readonly perSecond: number; readonly unit: 'tokens' | 'pictures' };
}

const PICTURE = 'examples/scene.png';
/** Tokens of an answer that is timed, and pictures. */
const COUNT = 24;

export async function measureCheckpoint(folder: string, device: Device): Promise<CheckpointMeasurement> {
  const files = await folderFiles(folder);
  const results: StageResult[] = [];
  for await (const result of verifyCheckpoint(files, { device, dtype: 'f32' })) results.push(result);
  const values = results.filter(({ tokens }) => tokens === undefined);
  const worst = values.reduce((a, b) => (b.relativeError > a.relativeError ? b : a));
  const ids = results.filter(({ stage }) => stage.startsWith('generated.ids'));
  const contrastive = isDualEncoder(await readJson(files, 'config.json'), folder);
  return {
    adapter: device.caps.adapterName,
    stages: results.length,
    failed: results.filter(({ ok }) => !ok).map(({ run, stage }) => `${run}.${stage}`),
    worst: { relativeError: worst.relativeError, stage: worst.stage },
    tokensEqual: ids.reduce((sum, { tokens }) => sum + (tokens?.equal ?? 0), 0),
    tokensTotal: ids.reduce((sum, { tokens }) => sum + (tokens?.total ?? 0), 0),
    ...(contrastive ? await embedPictures(folder, device) : await writeAnswer(folder, device)),
  };
}

type Speed = Pick<CheckpointMeasurement, 'peakGpuBytes' | 'speed'>;

/** The second answer is timed: the first compiles. */
async function writeAnswer(folder: string, device: Device): Promise<Speed> {
  const model = await loadModel(folder, { device, dtype: 'f32' });
  try {
    await model.generate(question(model));
    const { stats } = await model.generate(question(model));
    return {
      peakGpuBytes: stats.peakGpuBytes,
      speed: { perSecond: stats.tokensPerSecond, unit: 'tokens' },
    };
  } finally {
    model.dispose();
  }
}

/** With a picture where the model sees; end tokens cannot cut the answer short, since none is asked to stop it. */
const question = ({ model }: VisionLanguageModel): GenerateOptions => ({
  greedy: true,
  seed: 1,
  maxNewTokens: COUNT,
  ...(model.vision ? { prompt: 'Describe it.', images: [PICTURE] } : { prompt: 'The', raw: true }),
});

async function embedPictures(folder: string, device: Device): Promise<Speed> {
  const model = await loadContrastiveModel(folder, { device, dtype: 'f32' });
  try {
    const pictures = new Array<string>(COUNT).fill(PICTURE);
    await model.embedImage(pictures);
    const startedMs = performance.now();
    await model.embedImage(pictures);
    const seconds = (performance.now() - startedMs) / 1000;
    return {
      peakGpuBytes: device.memory.peakBytes,
      speed: { perSecond: COUNT / seconds, unit: 'pictures' },
    };
  } finally {
    model.dispose();
  }
}
