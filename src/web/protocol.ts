/** What the page and its worker say to each other; everything here is plain data. */
import type { BenchRow } from '../../bench/report.ts';
import type { HeatMap } from '../look/heat-map.ts';
import type { Environment } from './engine/environment.ts';

/** Which checkpoint to load. */
export type ModelChoice =
  | { readonly kind: 'built-in' }
  /** Files that were picked: those of one checkpoint folder. */
  | { readonly kind: 'files'; readonly name: string; readonly files: readonly File[] }
  /** An http(s) address of a checkpoint folder, or a hub id. */
  | { readonly kind: 'address'; readonly address: string }
  /** One that lies in the browser's storage, by its key. */
  | { readonly kind: 'stored'; readonly key: string };

/** How far loading is: bytes while downloading and reading weights, pipelines after that. */
export interface LoadStep {
  readonly stage: 'download' | 'weights' | 'pipelines';
  readonly done: number;
  readonly total: number;
}

/** What a page says of a loaded model. */
export interface ModelFacts {
  readonly name: string;
  /** `writes` answers, `compares` embeds pictures and texts. */
  readonly kind: 'writes' | 'compares';
  readonly modelType: string;
  /** Whether it sees pictures at all. */
  readonly seesPictures: boolean;
  readonly adapterName: string;
  readonly isSoftware: boolean;
  readonly weightBytes: number;
  readonly loadMs: number;
}

export interface DeviceState {
  readonly adapterName: string;
  readonly isSoftware: boolean;
}

/** What is asked about. */
export interface Medium {
  readonly kind: 'picture' | 'video';
  readonly blob: Blob;
}

export interface Question {
  readonly medium: Medium | null;
  readonly text: string;
  readonly maxNewTokens: number;
  /** 0 takes the likeliest token each time. */
  readonly temperature: number;
  /** Frames to take of a video. */
  readonly frames: number;
}

/** A finished answer. */
export interface Answer {
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** Pieces of `text` that belong together, whitespace in front included; joined they are `text`. */
  readonly words: readonly string[];
  readonly finishReason: 'stop' | 'length' | 'stopped';
  readonly tokensPerSecond: number;
  readonly firstTokenMs: number;
  readonly totalMs: number;
  readonly generatedTokens: number;
  readonly promptTokens: number;
  readonly gpuBytes: number;
  readonly peakGpuBytes: number;
}

/** Where the decoder looked as it wrote a word. */
export interface WordAttention {
  readonly word: string;
  /** Of all attention, the share that went to the picture: 0 to 1. */
  readonly share: number;
  /** One map per tile of the picture. */
  readonly maps: readonly HeatMap[];
}

/** How well a label fits the picture. */
export interface LabelResult {
  readonly label: string;
  /** 0 to 1. */
  readonly probability: number;
}

export interface LabelResults {
  readonly results: readonly LabelResult[];
  /** `among`: they add up to one. `each`: every label by itself. `asked`: how sure a writing model is to say yes. */
  readonly meaning: 'among' | 'each' | 'asked';
  readonly totalMs: number;
}

/** A model in the browser's storage. */
export interface StoredModel {
  readonly key: string;
  readonly name: string;
  readonly byteLength: number;
  readonly files: number;
  /** Bytes of files that are not whole yet. */
  readonly partialBytes: number;
}

export interface StorageReport {
  readonly models: readonly StoredModel[];
  /** Of all that this origin keeps; null where the browser does not say. */
  readonly usedBytes: number | null;
  readonly quotaBytes: number | null;
}

/** A kernel that was timed. */
export interface KernelRow extends BenchRow {
  /** FLOP per byte that must be moved. */
  readonly intensity: number;
}

export interface KernelReport extends Environment {
  /** ISO 8601. */
  readonly measuredAt: string;
  /** GFLOP/s of multiply-adds and GB/s of reads: the best of several micro-kernels. */
  readonly peak: { readonly gflops: number; readonly gbps: number };
  readonly rows: readonly KernelRow[];
  readonly failures: readonly { readonly name: string; readonly reason: string }[];
}

export interface KernelProgress {
  readonly done: number;
  readonly total: number;
  readonly what: string;
}
