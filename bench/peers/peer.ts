import type { ModelCase } from './model-case.ts';
import type { AnyCase, PeerCase } from './peer-case.ts';

/** An engine in the realm it runs in: a process of Node, or a page. */
export interface Peer {
  readonly version: string;
  /**
   * How many ways it has to do the case, 0 where it can't; the first that gives the right result is timed. A fused op
   * comes before plain ones.
   */
  variants(one: PeerCase): number;
  /** Throws where it can't do the case after all. */
  open(one: PeerCase, variant: number): Promise<OpenPeerCase>;
  /** Absent where it has no whole models. */
  readonly models?: ModelPeer;
}

/** The same of whole models. What it loaded for a case may serve the next. */
export interface ModelPeer {
  variants(one: ModelCase): number;
  open(one: ModelCase, variant: number): Promise<OpenPeerCase>;
}

/** A case with its operands on the GPU. */
export interface OpenPeerCase {
  /** The whole result, row-major. */
  read(): Promise<Float32Array>;
  /** What has to go before every `run`, timed apart from it. */
  prepare?(): Promise<void>;
  /** Does it `reps` times, and waits until the GPU is done. */
  run(): Promise<void>;
  dispose(): void;
}

/** Gives a package of the peers' own folder, or of the page's bundle. */
export type LoadPackage = (name: string) => Promise<unknown>;

export interface Realm {
  readonly load: LoadPackage;
  /** `gpu`, `lavapipe`, `swiftshader`, or part of an adapter's name. */
  readonly adapter: string | undefined;
  /** Where a package's files are, for those that fetch more by themselves. */
  fileUrl(file: string): string;
}

/** What a parent asks of a realm, in turn. */
export type PeerRequest =
  | { readonly kind: 'variants' | 'dispose'; readonly one: AnyCase }
  | { readonly kind: 'open'; readonly one: AnyCase; readonly variant: number }
  | { readonly kind: 'sample' };

export interface PeerTime {
  readonly ms: number;
  /** Processor time of the engine's process over all threads: on an adapter that is a CPU, what other work hardly lengthens. */
  readonly cpuMs: number | null;
}

/** `reps` times the case, and one wait. */
export interface PeerSample extends PeerTime {
  readonly prepared: PeerTime;
}

/** `value` is what the request's kind gives. */
export type PeerReply =
  | { readonly ok: true; readonly value: number | Float32Array | PeerSample }
  | { readonly ok: false; readonly reason: string };
