/**
 * Every error the engine throws on purpose. Messages follow one form:
 * `<where>: <what was wrong, with numbers>; expected <what>. <one remedy>.`
 */

export type ErrorCode =
  | 'shape'
  | 'weight'
  | 'config'
  | 'input'
  | 'unsupported'
  | 'device'
  | 'device-lost'
  | 'aborted'
  | 'internal';

/** What the engine throws on purpose: `code` says of which kind, the message where, what was wrong and what to do. */
export class EngineError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** Tensors that do not fit together; thrown at the op call, so the stack points at the model line. */
export class ShapeError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('shape', message, options);
  }
}

/** A checkpoint file that is malformed, truncated, or lacks a tensor. */
export class WeightError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('weight', message, options);
  }
}

/** A config.json (or processor/generation config) that lacks a field or holds a wrong one. */
export class ConfigError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('config', message, options);
  }
}

/** Something the caller handed in: a picture, a prompt, an option, a path. */
export class InputError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('input', message, options);
  }
}

/** Well-formed, but this engine or this adapter cannot do it. */
export class UnsupportedError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('unsupported', message, options);
  }
}

/** No adapter, a WebGPU validation or out-of-memory error, or (code `device-lost`) a lost device. */
export class DeviceError extends EngineError {
  constructor(message: string, options?: ErrorOptions & { readonly lost?: boolean }) {
    super(options?.lost ? 'device-lost' : 'device', message, options);
  }
}

/** The caller's AbortSignal fired. */
export class AbortError extends EngineError {
  constructor(message = 'generate: aborted by the caller', options?: ErrorOptions) {
    super('aborted', message, options);
    this.name = 'AbortError';
  }
}

/** Throws when a condition the code relies on does not hold: a bug in the engine, not in its input. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new EngineError('internal', `internal: ${message}. Please report this.`);
}
