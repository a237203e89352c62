import type { Device } from '../device/gpu-device.ts';
import { requestDevice } from '../device/request-device.ts';
import { stoppable, throwIfAborted, together } from '../generate/abort.ts';
import type { LoadOptions } from '../generate/load-model.ts';
import { openModelFiles } from '../generate/model-files.ts';
import { choosePrecision } from '../generate/precision.ts';
import { summarizeWeights } from '../generate/weights-summary.ts';
import { warmUp } from '../runtime/warm-up.ts';
import { createWeightStore } from '../runtime/weight-store.ts';
import { type Checkpoint, openCheckpoint } from '../weights/checkpoint.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { createTowerCapture } from './capture.ts';
import { type ContrastiveAssets, readContrastiveAssets } from './contrastive-assets.ts';
import type { ContrastiveModel } from './contrastive-model.ts';
import { createEmbedder } from './embedder.ts';
import { logitParameterReader } from './logit-parameters.ts';
import { embedPatches, readPicture } from './patch-embeddings.ts';
import { createImageRunner, createTextRunner, type DualEncoderRuntime } from './tower-runner.ts';

/** As `LoadOptions`, and which of the towers are loaded at first. */
export interface LoadContrastiveOptions extends Omit<LoadOptions, 'adapters' | 'warm'> {
  /**
   * Towers to load at once; the other one's weights are loaded when it is first asked for. A text tower may hold the
   * larger part of a checkpoint. Default both.
   */
  readonly towers?: readonly ('image' | 'text')[] | undefined;
  /** Whether to have the driver compile while the weights load, so that the first call does not wait for it. Default true. */
  readonly warm?: boolean | undefined;
}

/**
 * Loads a CLIP or SigLIP checkpoint (a folder in Node, an http(s) address, or files in memory) to embed pictures and
 * texts. Throws ConfigError, WeightError, UnsupportedError or DeviceError; nothing stays allocated then.
 */
export async function loadContrastiveModel(
  source: string | URL | CheckpointFiles,
  options: LoadContrastiveOptions = {},
): Promise<ContrastiveModel> {
  const startedMs = performance.now();
  const files = await openModelFiles(source);
  const assets = await readContrastiveAssets(files);
  const checkpoint = await openCheckpoint(files);
  try {
    const device = options.device ?? (await requestDevice({ adapter: options.adapter }));
    try {
      return await prepareModel({ name: files.name, assets, checkpoint, device, options, startedMs });
    } catch (error) {
      if (!options.device) device.dispose();
      throw error;
    }
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

interface LoadParts {
  readonly name: string;
  readonly assets: ContrastiveAssets;
  readonly checkpoint: Checkpoint;
  readonly device: Device;
  readonly options: LoadContrastiveOptions;
  readonly startedMs: number;
}

async function prepareModel({
  name,
  assets,
  checkpoint,
  device,
  options,
  startedMs,
}: LoadParts): Promise<ContrastiveModel> {
  const { onProgress, signal, towers = ['image', 'text'] } = options;
  const { model } = assets;
  const precision = choosePrecision(options.dtype ?? 'auto', device.caps, checkpoint.index);
  const root = weightScope(checkpoint.index, name);
  const stop = new AbortController();
  const stopping = stoppable(signal, stop);
  const weights = createWeightStore(device, checkpoint.index, {
    onProgress: (done, total) => onProgress?.({ stage: 'weights', done, total }),
    signal: stopping,
  });
  const runtime: DualEncoderRuntime = { device, model, weightScope: root, weights, precision };
  const runners = { image: createImageRunner(runtime), text: createTextRunner(runtime) };
  const release = (): void => {
    runners.image.dispose();
    runners.text.dispose();
    weights.dispose();
  };
  try {
    // Both, so that one error lists all that is missing, whichever tower is loaded now.
    const plans = { image: runners.image.plan(), text: runners.text.plan() };
    const readLogitParameters = logitParameterReader(model, root);
    const unusedTensors = root.finish();
    const wanted = towers.map((tower) => plans[tower]);
    await together(
      [
        weights.load(wanted),
        ...towers.map((tower) => runners[tower].prepare()),
        options.warm === false ? undefined : warmUp(device, wanted, { signal: stopping }),
      ],
      stop,
    );
    throwIfAborted(signal);
    await device.onSubmittedWorkDone();
    return {
      name,
      adapterName: device.caps.adapterName,
      notice: device.notice,
      model,
      precision,
      weights: summarizeWeights(weights),
      loadMs: performance.now() - startedMs,
      unusedTensors,
      embeddingSize: model.embeddingSize,
      maxImageBatch: runners.image.maxBatch,
      ...createEmbedder(assets, runners, await readLogitParameters()),
      ...createTowerCapture(runtime, assets),
      readPicture: (picture) => readPicture(assets, picture),
      embedPatches: (picture, options) => embedPatches(runtime, assets, picture, options),
      dispose() {
        release();
        if (!options.device) device.dispose();
        void checkpoint.close();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}
