import { invariant } from '../core/errors.ts';
import type { Device } from '../device/gpu-device.ts';
import { requestDevice } from '../device/request-device.ts';
import { warmUp } from '../runtime/warm-up.ts';
import { createWeightStore } from '../runtime/weight-store.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { stoppable, throwIfAborted, together } from './abort.ts';
import { type AdaptedCheckpoint, type AdapterSource, openAdapters } from './adapters/open-adapters.ts';
import { type AnswerParts, answer } from './answer.ts';
import { createBatch } from './batch/create-batch.ts';
import { createCapture, DEFAULT_QUESTION } from './capture.ts';
import { type CheckpointAssets, readAssets } from './checkpoint-assets.ts';
import { createDecoder } from './decoder.ts';
import { expectAnswer, plansOf } from './expected-answer.ts';
import { createGeneration, type Generation } from './generation.ts';
import { samplingOf } from './generation-config.ts';
import { createImageEncoder } from './image-encoder.ts';
import { openModelFiles } from './model-files.ts';
import { choosePrecision, type DTypeChoice } from './precision.ts';
import { buildPrompt, type Prompt } from './prompt.ts';
import { readOutStates } from './read-out.ts';
import { readPrompt } from './read-prompt.ts';
import type { ModelRuntime } from './sessions.ts';
import type { GenerateOptions, LoadProgress, VisionLanguageModel } from './vision-language-model.ts';
import { summarizeWeights } from './weights-summary.ts';

/** Where a model runs, how its weights are stored, and what is merged into them. */
export interface LoadOptions {
  /** `gpu`, `lavapipe`, `swiftshader`, or part of an adapter's name. */
  readonly adapter?: string | undefined;
  /** A device to use instead of requesting one; it stays the caller's. */
  readonly device?: Device | undefined;
  /** Storage of weight matrices; `auto` (the default) decides by adapter and checkpoint. */
  readonly dtype?: DTypeChoice | undefined;
  /** LoRA adapters as PEFT saves them, merged into the weights while they load, in this order. */
  readonly adapters?: readonly AdapterSource[] | undefined;
  /**
   * Whether to have the driver compile, while the weights load, what an answer runs, so that its first token does not wait
   * for it: the answer to this request, or (`true`, the default) to "Describe the image." about a photo. The request's
   * prompt is built for that, and not again where this very object is given to `generate` afterwards. `false` is for models
   * that are not asked, but looked into.
   */
  readonly warm?: boolean | GenerateOptions | undefined;
  /** Called after every chunk of the weights and after every pipeline. */
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  /** Stops loading with AbortError; what was allocated is freed. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Loads a checkpoint (a folder in Node, an http(s) address, or files in memory; the built-in model unless told) and
 * makes it ready to answer. Throws ConfigError, WeightError, UnsupportedError or DeviceError; nothing stays
 * allocated then.
 */
export async function loadModel(
  source?: string | URL | CheckpointFiles,
  options: LoadOptions = {},
): Promise<VisionLanguageModel> {
  const startedMs = performance.now();
  const files = await openModelFiles(source);
  const assets = await readAssets(files);
  const checkpoint = await openAdapted(files, options.adapters ?? []);
  return startModel({ name: files.name, assets, checkpoint, options, startedMs });
}

async function openAdapted(
  files: CheckpointFiles,
  adapters: readonly AdapterSource[],
): Promise<AdaptedCheckpoint> {
  const checkpoint = await openCheckpoint(files);
  try {
    return await openAdapters(checkpoint, adapters);
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

export interface LoadParts {
  readonly name: string;
  readonly assets: CheckpointAssets;
  /** Closed when the model is disposed of, or cannot be started. */
  readonly checkpoint: Pick<AdaptedCheckpoint, 'index' | 'close'> &
    Partial<Pick<AdaptedCheckpoint, 'updates'>>;
  readonly options: LoadOptions;
  readonly startedMs: number;
}

/** A model made ready to answer on the device of `options`. Throws as `loadModel`. */
export async function startModel(parts: LoadParts): Promise<VisionLanguageModel> {
  const { options, checkpoint } = parts;
  try {
    const device = options.device ?? (await requestDevice({ adapter: options.adapter }));
    try {
      return await prepareModel(parts, device);
    } catch (error) {
      if (!options.device) device.dispose();
      throw error;
    }
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function prepareModel(
  { name, assets, checkpoint, options, startedMs }: LoadParts,
  device: Device,
): Promise<VisionLanguageModel> {
  const { onProgress, signal } = options;
  const { model, tokenizer } = assets;
  const precision = choosePrecision(options.dtype ?? 'auto', device.caps, checkpoint.index);
  const root = weightScope(checkpoint.index, name);
  const stop = new AbortController();
  const stopping = stoppable(signal, stop);
  const progress = inOrder(onProgress);
  const weights = createWeightStore(device, checkpoint.index, {
    onProgress: progress.weights,
    signal: stopping,
    updates: checkpoint.updates,
  });
  const runtime: ModelRuntime = { device, model, weightScope: root, weights, precision };
  const decoder = createDecoder(runtime);
  const imageEncoder = model.vision ? createImageEncoder(runtime) : undefined;
  const release = (): void => {
    imageEncoder?.dispose();
    decoder.dispose();
    weights.dispose();
  };
  try {
    const { warm = true } = options;
    const request = typeof warm === 'object' ? warm : undefined;
    const expected = warm === false ? undefined : await expectAnswer(assets, request);
    const built: BuiltPrompts = new WeakMap();
    if (request && expected) {
      built.set(request, expected.prompt);
      // A request is known to need that much; others may ask for less than they could.
      decoder.start(expected.tokens);
    }
    const picker = expected?.picker ?? 'greedy';
    // Between them they use every weight.
    const { typicalLayout } = model.vision ?? {};
    const whole = [
      decoder.stepPlan(picker),
      ...((typicalLayout && imageEncoder?.plans(typicalLayout)) ?? []),
    ];
    // Once every graph has asked for its weights, so that all missing ones are reported together.
    const unusedTensors = root.finish();
    const toWarm = expected ? [...whole, ...plansOf(expected, decoder, imageEncoder)] : [];
    // Pipelines are made while the weights load; the first load brings all of them, under one progress.
    await together(
      [
        weights.load(whole).then(progress.weightsAreDone),
        imageEncoder?.prepare(),
        decoder.prepare(picker),
        warmUp(device, toWarm, { onProgress: progress.pipelines, signal: stopping }),
      ],
      stop,
    );
    throwIfAborted(signal);
    await device.onSubmittedWorkDone();
    const parts: AnswerParts = {
      conversation: { cached: undefined },
      decoder,
      imageEncoder,
      tokenizer,
      peakGpuBytes: () => device.memory.peakBytes,
    };
    // One after another: there is one KV cache, and one encoder.
    const inTurn = createTurns();
    const generate = createGenerate(assets, built, parts, inTurn);
    const { names, capture } = createCapture(runtime, assets, imageEncoder);
    return {
      name,
      adapterName: device.caps.adapterName,
      notice: device.notice,
      model,
      tokenizer,
      precision,
      weights: summarizeWeights(weights),
      loadMs: performance.now() - startedMs,
      unusedTensors,
      generate,
      describe: (image, { prompt = DEFAULT_QUESTION, ...rest } = {}) =>
        generate({ ...rest, prompt, images: [image] }),
      names,
      capture: (wanted, request) => inTurn(() => capture(wanted, request)),
      readOut: (states) => inTurn(() => readOutStates(runtime, states)),
      readPrompt: (request) => readPrompt(assets, request),
      startBatch: (options) =>
        createBatch(
          {
            runtime,
            assets,
            encode: (media, minRows) =>
              inTurn(async () => {
                invariant(imageEncoder, `${model.modelType} has no vision tower`);
                return imageEncoder.encode(media, undefined, minRows);
              }),
          },
          options,
        ),
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

/** Reports of pipelines wait for the weights, which load meanwhile, so that stages come one after another. */
function inOrder(report: LoadOptions['onProgress']) {
  let weightsLoad = true;
  let pipelines: LoadProgress | undefined;
  return {
    weights: (done: number, total: number): void => report?.({ stage: 'weights', done, total }),
    weightsAreDone(): void {
      weightsLoad = false;
      if (pipelines) report?.(pipelines);
    },
    pipelines(done: number, total: number): void {
      pipelines = { stage: 'pipelines', done, total };
      if (!weightsLoad) report?.(pipelines);
    },
  };
}

type InTurn = <T>(job: () => Promise<T>) => Promise<T>;

/** Runs jobs one after another, whatever becomes of those before. */
function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const run = last.then(job);
    last = run.catch(() => undefined);
    return run;
  };
}

/** Prompts that are there before they are asked for, by their requests; each serves once, since files may change. */
type BuiltPrompts = WeakMap<GenerateOptions, Prompt>;

function createGenerate(
  assets: CheckpointAssets,
  built: BuiltPrompts,
  parts: AnswerParts,
  inTurn: InTurn,
): (options: GenerateOptions) => Generation {
  return (options) =>
    createGeneration((emit, signal) => {
      const startedMs = performance.now();
      return inTurn(async () => {
        throwIfAborted(signal);
        const prompt = built.get(options) ?? (await buildPrompt(assets, options));
        built.delete(options);
        return answer(
          parts,
          {
            prompt,
            sampling: samplingOf(assets.generation, options),
            seed: options.seed ?? randomSeed(),
            reusePrefix: options.seed === undefined,
            maxNewTokens: options.maxNewTokens ?? assets.generation.maxNewTokens,
            contextLength: assets.model.text.maxPositionEmbeddings,
            eosTokenIds: assets.generation.eosTokenIds,
            stop: options.stop ?? [],
            signal,
            startedMs,
          },
          emit,
        );
      });
    }, options.signal);
}

const randomSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
