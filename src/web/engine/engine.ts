import { AbortError, InputError } from '../../core/errors.ts';
import type { Device } from '../../device/gpu-device.ts';
import { requestDevice } from '../../device/request-device.ts';
import { throwIfAborted } from '../../generate/abort.ts';
import type { CaptureRequest } from '../../generate/capture.ts';
import type { GenerateOptions, VisionLanguageModel } from '../../generate/vision-language-model.ts';
import type {
  Answer,
  DeviceState,
  KernelProgress,
  KernelReport,
  LabelResults,
  LoadStep,
  Medium,
  ModelChoice,
  ModelFacts,
  Question,
  StorageReport,
  WordAttention,
} from '../protocol.ts';
import { deleteModel, listModels } from '../storage/model-folders.ts';
import type { BuiltIn } from '../storage/remote-model.ts';
import { scoreByAsking } from './label-scores.ts';
import { type OpenModel, openModel } from './open-model.ts';
import { wordAttention } from './word-attention.ts';
import { wordsOf } from './words.ts';

/** All that the page asks of its worker. Calls that run a model reject with AbortError after `stop`. */
export interface Engine {
  /** Throws DeviceError where there is no WebGPU. */
  openDevice(): Promise<DeviceState>;
  load(choice: ModelChoice, onStep: (step: LoadStep) => void): Promise<ModelFacts>;
  ask(question: Question, onText: (text: string) => void): Promise<Answer>;
  /** Of the last answer about a picture. */
  look(): Promise<readonly WordAttention[]>;
  scoreLabels(medium: Medium, labels: readonly string[], sentence: string): Promise<LabelResults>;
  kernelNames(): Promise<readonly string[]>;
  benchKernels(
    ops: readonly string[],
    seconds: number,
    onProgress: (progress: KernelProgress) => void,
  ): Promise<KernelReport>;
  /** Stops what is running. */
  stop(): void;
  storage(): Promise<StorageReport>;
  forget(key: string): Promise<StorageReport>;
}

export interface EngineSettings {
  readonly builtIn: BuiltIn;
  readonly version: string;
}

export function createEngine({ builtIn, version }: EngineSettings): Engine {
  let device: Device | undefined;
  let open: OpenModel | undefined;
  let running: AbortController | undefined;
  /** What `look` looks at. */
  let answered: CaptureRequest | undefined;

  const deviceOf = async (): Promise<Device> => {
    if (device) return device;
    const fresh = await requestDevice();
    device = fresh;
    void fresh.lost.then(() => {
      if (device !== fresh) return;
      [device, open, answered] = [undefined, undefined, undefined];
    });
    return fresh;
  };
  /** One thing at a time: a new one stops the one before. */
  const start = (): AbortSignal => {
    running?.abort();
    running = new AbortController();
    return running.signal;
  };
  const writingModel = (): VisionLanguageModel => {
    if (open?.kind === 'writes') return open.model;
    throw new InputError(
      open
        ? `model "${open.model.name}": compares pictures with texts and writes nothing; expected one that answers. Choose another, or try Labels.`
        : 'model: none is loaded; expected one. Choose a model.',
    );
  };

  return {
    async openDevice() {
      const { caps } = await deviceOf();
      return { adapterName: caps.adapterName, isSoftware: caps.kind === 'software' };
    },

    async load(choice, onStep) {
      const signal = start();
      const startedMs = performance.now();
      // Before the next one comes: two may not fit.
      open?.model.dispose();
      [open, answered] = [undefined, undefined];
      const opened = await openModel(choice, { device: await deviceOf(), builtIn, signal, onStep });
      if (signal.aborted) {
        opened.model.dispose();
        throwIfAborted(signal);
      }
      open = opened;
      const { kind, model, modelType } = opened;
      return {
        name: model.name,
        kind,
        modelType,
        seesPictures: opened.kind === 'compares' || opened.model.model.vision !== undefined,
        adapterName: model.adapterName,
        isSoftware: (await deviceOf()).caps.kind === 'software',
        weightBytes: model.weights.byteLength,
        loadMs: performance.now() - startedMs,
      };
    },

    async ask(question, onText) {
      const model = writingModel();
      const signal = start();
      const generation = model.generate(generateOptions(question, signal));
      answered = undefined;
      let written = '';
      try {
        for await (const piece of generation) {
          written += piece;
          onText(piece);
        }
      } catch (error) {
        if (!(error instanceof AbortError) || written === '') throw error;
        return stoppedAnswer(written, device);
      }
      const { text, tokenIds, finishReason, stats } = await generation;
      if (question.medium?.kind === 'picture')
        answered = { image: question.medium.blob, prompt: question.text, answer: tokenIds };
      return {
        ...stats,
        text,
        tokenIds,
        words: wordsOf(model.tokenizer, tokenIds).map((word) => word.text),
        finishReason,
        gpuBytes: device?.memory.liveBytes ?? 0,
      };
    },

    async look() {
      const model = writingModel();
      if (!answered)
        throw new InputError('look: there is no answer about a picture; expected one. Ask first.');
      return wordAttention(model, { ...answered, signal: start() });
    },

    async scoreLabels({ kind, blob }, labels, sentence) {
      if (kind === 'video')
        throw new InputError('labels: a video is shown; expected a picture. Choose a picture.');
      const signal = start();
      const startedMs = performance.now();
      if (open?.kind !== 'compares') {
        const results = await scoreByAsking(writingModel(), blob, labels, sentence, signal);
        return { results, meaning: 'asked', totalMs: performance.now() - startedMs };
      }
      const scores = await open.model.classify(blob, labels, { template: sentence, signal });
      return {
        results: scores.map(({ label, probability }) => ({ label, probability })),
        meaning: open.model.model.probability === 'softmax' ? 'among' : 'each',
        totalMs: performance.now() - startedMs,
      };
    },

    async kernelNames() {
      const bench = await import('./kernel-bench.ts');
      return bench.kernelNames();
    },

    async benchKernels(ops, seconds, onProgress) {
      const signal = start();
      const { benchKernels } = await import('./kernel-bench.ts');
      return benchKernels(await deviceOf(), ops, { version, seconds, signal }, onProgress);
    },

    stop: () => running?.abort(),
    storage: listModels,
    async forget(key) {
      await deleteModel(key);
      return listModels();
    },
  };
}

function generateOptions(
  { medium, text, maxNewTokens, temperature, frames }: Question,
  signal: AbortSignal,
): GenerateOptions {
  const part =
    medium &&
    (medium.kind === 'picture'
      ? ({ type: 'image', image: medium.blob } as const)
      : ({ type: 'video', video: medium.blob, numFrames: frames } as const));
  return {
    messages: [{ role: 'user', content: [...(part ? [part] : []), { type: 'text', text }] }],
    maxNewTokens,
    ...(temperature === 0 ? { greedy: true } : { temperature }),
    signal,
  };
}

const stoppedAnswer = (text: string, device: Device | undefined): Answer => ({
  text,
  tokenIds: [],
  words: text.match(/\s*\S+/g) ?? [],
  finishReason: 'stopped',
  tokensPerSecond: 0,
  firstTokenMs: 0,
  totalMs: 0,
  generatedTokens: 0,
  promptTokens: 0,
  gpuBytes: device?.memory.liveBytes ?? 0,
  peakGpuBytes: device?.memory.peakBytes ?? 0,
});
