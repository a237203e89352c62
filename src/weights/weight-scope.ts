import { WeightError } from '../core/errors.ts';
import { elementCount, formatShape, type Shape, sameShape } from '../core/shape.ts';
import { isKnownBuffer } from './known-buffers.ts';
import type { TensorEntry, TensorIndex } from './safetensors.ts';
import type { SafetensorsDType } from './safetensors-dtype.ts';

/** A checkpoint tensor that a model uses, its shape checked. */
export interface WeightRef {
  /** Full name in the checkpoint. */
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: SafetensorsDType;
  readonly entry: TensorEntry;
}

/** The tensors under one prefix, as model code asks for them: `w.scope('self_attn').get('q_proj.weight', [...])`. */
export interface WeightScope {
  /** Full prefix without its last dot; '' at the root. */
  readonly prefix: string;
  scope(prefix: string): WeightScope;
  /**
   * The first of `prefixes` under which any tensor lies: checkpoints of transformers 4.x and 5.x spell them
   * differently. Name the longest first, since `model` is also a prefix of `model.language_model`.
   * Throws WeightError listing what was tried.
   */
  firstScope(prefixes: readonly string[]): WeightScope;
  has(name: string): boolean;
  /**
   * The tensor `name`. Throws WeightError at once when its shape is another; when it is missing, notes that for
   * `finish` and gives a placeholder, so that one error lists all that is missing.
   */
  get(name: string, shape: Shape): WeightRef;
  /** As `get`, or undefined where the checkpoint has no such tensor. */
  optional(name: string, shape: Shape): WeightRef | undefined;
  /** Marks a tensor, or all under a prefix, as known and not needed, such as layers behind the feature layer. */
  skip(name: string): void;
}

/** The scope of a whole checkpoint. */
export interface WeightRoot extends WeightScope {
  /** Tensors that were asked for and are not there, by name, with the shapes they were to have. */
  readonly missing: ReadonlyMap<string, Shape>;
  /**
   * To be called when the model is built. Throws WeightError that lists every missing tensor; returns the names of
   * tensors that no one asked for, sorted, without known buffers such as `position_ids`.
   */
  finish(): readonly string[];
}

const MAX_LISTED = 20;

/** The root scope over the tensors of a checkpoint; `where` names it in errors. */
export function weightScope(index: TensorIndex, where: string): WeightRoot {
  const used = new Set<string>();
  const missing = new Map<string, Shape>();
  const prefixes = allPrefixes(index);

  const found = (name: string, shape: Shape): WeightRef | undefined => {
    const entry = index.get(name);
    if (entry === undefined) return undefined;
    used.add(name);
    if (!sameShape(entry.shape, shape)) {
      throw new WeightError(
        `${where}: tensor "${name}" in ${entry.source.name} is ${formatShape(entry.shape)}; expected ${formatShape(shape)}. The weights and config.json may be of different models.`,
      );
    }
    return { name, shape: entry.shape, dtype: entry.dtype, entry };
  };

  const scopeAt = (prefix: string): WeightScope => ({
    prefix,
    scope: (inner) => scopeAt(join(prefix, inner)),
    firstScope(candidates) {
      const names = candidates.map((candidate) => join(prefix, candidate));
      const first = names.find((name) => prefixes.has(name));
      if (first === undefined) throw noSuchScope(names, prefixes, where);
      return scopeAt(first);
    },
    has: (name) => index.has(join(prefix, name)),
    get(name, shape) {
      const fullName = join(prefix, name);
      const ref = found(fullName, shape);
      if (ref) return ref;
      missing.set(fullName, shape);
      return placeholder(fullName, shape, where);
    },
    optional: (name, shape) => found(join(prefix, name), shape),
    skip(name) {
      const fullName = join(prefix, name);
      for (const key of index.keys()) {
        if (key === fullName || key.startsWith(`${fullName}.`)) used.add(key);
      }
    },
  });

  return {
    ...scopeAt(''),
    missing,
    finish() {
      if (missing.size > 0) throw missingTensors(missing, index, where);
      const unused = [...index.values()].filter((entry) => !used.has(entry.name) && !isKnownBuffer(entry));
      return unused.map((entry) => entry.name).sort();
    },
  };
}

const join = (prefix: string, name: string): string =>
  prefix === '' || name === '' ? prefix + name : `${prefix}.${name}`;

/** Every dotted prefix that holds a tensor, '' among them. */
function allPrefixes(index: TensorIndex): ReadonlySet<string> {
  const prefixes = new Set<string>();
  for (const name of index.keys()) {
    for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
      prefixes.add(name.slice(0, dot));
    }
    prefixes.add('');
  }
  return prefixes;
}

function noSuchScope(tried: readonly string[], prefixes: ReadonlySet<string>, where: string): WeightError {
  const roots = [...prefixes].filter((prefix) => prefix !== '' && !prefix.includes('.')).sort();
  const list = tried.map((prefix) => `"${prefix}"`).join(', ');
  return new WeightError(
    `${where}: no tensor under ${list}; expected one of these prefixes. The checkpoint has ${roots.slice(0, MAX_LISTED).join(', ') || 'none'}.`,
  );
}

function missingTensors(missing: ReadonlyMap<string, Shape>, index: TensorIndex, where: string): WeightError {
  const lines = [...missing].slice(0, MAX_LISTED).map(([name, shape]) => `\n  ${name} ${formatShape(shape)}`);
  const rest = missing.size - lines.length;
  return new WeightError(
    `${where}: ${missing.size} of the model's tensors are missing among the ${index.size} of the checkpoint; expected:${lines.join('')}${rest > 0 ? `\n  and ${rest} more` : ''}`,
  );
}

/** Stands in for a missing tensor until `finish` reports it; reading it is an error. */
function placeholder(name: string, shape: Shape, where: string): WeightRef {
  const byteLength = elementCount(shape) * Float32Array.BYTES_PER_ELEMENT;
  const source = {
    name: where,
    byteLength,
    read: async () => {
      throw new WeightError(`${where}: tensor "${name}" is missing; expected ${formatShape(shape)}.`);
    },
    close: async () => {},
  };
  const entry: TensorEntry = { name, dtype: 'F32', shape, source, offsetBytes: 0, byteLength };
  return { name, shape, dtype: entry.dtype, entry };
}
