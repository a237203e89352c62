import type { Plan, PlanBuffer } from '../compile/plan.ts';
import { alignUp } from '../compile/plan-memory.ts';
import { DTYPE_BYTES, isPacked, type PackedDType } from '../core/dtype.ts';
import { InputError, invariant, WeightError } from '../core/errors.ts';
import { dim, elementCount, formatShape, sameShape } from '../core/shape.ts';
import { bufferUsage } from '../device/buffer-usage.ts';
import type { Device } from '../device/gpu-device.ts';
import { DEFAULT_CHUNK_BYTES, readChunks } from '../weights/chunks.ts';
import type { LowRankUpdate, LowRankUpdates } from '../weights/low-rank-update.ts';
import type { TensorEntry, TensorIndex } from '../weights/safetensors.ts';
import { SAFETENSORS_DTYPE_BITS } from '../weights/safetensors-dtype.ts';
import { loadMergeFactors } from './merge-factors.ts';
import { isConvertible, type MergeFactors, type SquaredSums } from './weight-convert.ts';
import { createWeightUploader } from './weight-upload.ts';

export type WeightBuffer = Extract<PlanBuffer, { kind: 'weight' }>;
export type ConstantBuffer = Extract<PlanBuffer, { kind: 'constant' }>;

/** What is told while weights load, and how they are read. */
export interface WeightStoreOptions {
  /** After every chunk: bytes of the files read so far in this load, of how many, and the tensor's name. */
  readonly onProgress?: ((bytesDone: number, bytesTotal: number, name: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What adapters add to tensors, on the way. */
  readonly updates?: LowRankUpdates | undefined;
  /** Most bytes of a file in host memory at once; a multiple of 16. 8 MiB unless told. */
  readonly chunkBytes?: number | undefined;
}

/** A tensor stored as blocks of integers. */
export interface Rounding {
  readonly dtype: PackedDType;
  /** Root mean square of the error over that of the values. */
  readonly relativeError: number;
}

/** Weights and constants on the GPU, each loaded once however many plans use it. */
export interface WeightStore {
  /**
   * Loads what `plans` need and is not there yet; sessions call it, and a caller may, to load for several plans
   * with one progress. Throws WeightError naming every missing tensor, or the one that does not fit.
   */
  load(plans: readonly Plan[]): Promise<void>;
  /**
   * Keeps the constants of `plan` until the function it gives is called, which frees those that no other plan keeps:
   * pictures of every size bring constants of their own.
   */
  retain(plan: Plan): () => void;
  /** Throws an internal error where it was not loaded. */
  buffer(wanted: WeightBuffer | ConstantBuffer): GPUBuffer;
  /** GPU bytes held. */
  readonly byteLength: number;
  /** What rounding cost each tensor that is stored packed, by name. */
  readonly rounding: ReadonlyMap<string, Rounding>;
  /** Frees weights and constants; loads that still run fail. */
  dispose(): void;
}

/** A store of the tensors of `index`, which must stay open until the last load. */
export function createWeightStore(
  device: Device,
  index: TensorIndex,
  options: WeightStoreOptions = {},
): WeightStore {
  const buffers = new Map<string, GPUBuffer>();
  const rounding = new Map<string, Rounding>();
  /** How many plans keep each constant. */
  const keepers = new Map<string, number>();
  // Loads run one after another, so that two sessions made at once do not load a tensor twice.
  let lastLoad: Promise<void> = Promise.resolve();
  let disposed = false;

  const loadMissing = async (plans: readonly Plan[]): Promise<void> => {
    const wanted = new Map<string, WeightBuffer | ConstantBuffer>();
    for (const buffer of plans.flatMap((plan) => plan.buffers)) {
      if (buffer.kind !== 'weight' && buffer.kind !== 'constant') continue;
      const key = keyOf(buffer);
      checkSameSize(buffer, buffers.get(key)?.size ?? wanted.get(key)?.byteLength);
      if (!buffers.has(key)) wanted.set(key, buffer);
    }
    const entries = findEntries(index, [...wanted.values()].filter(isWeight));
    const made = new Map<string, GPUBuffer>();
    const sums = createSums();
    try {
      for (const [key, { label, byteLength }] of wanted)
        made.set(key, device.createBuffer({ label, byteLength, usage: USAGE }));
      for (const [key, buffer] of wanted)
        if (buffer.kind === 'constant') writeWhole(device, made.get(key), buffer);
      await uploadEntries(device, entries, (weight) => made.get(keyOf(weight)), sums.add, options);
      if (disposed) throw new InputError('weights: the store was disposed of while it loaded.');
    } catch (error) {
      for (const buffer of made.values()) device.destroyBuffer(buffer);
      throw error;
    }
    for (const [key, buffer] of made) buffers.set(key, buffer);
    for (const [name, one] of sums.roundings()) rounding.set(name, one);
  };

  return {
    load(plans) {
      const load = lastLoad.then(() => loadMissing(plans));
      lastLoad = load.catch(() => undefined);
      return load;
    },
    retain(plan) {
      const keys = plan.buffers.flatMap((buffer) => (buffer.kind === 'constant' ? [keyOf(buffer)] : []));
      for (const key of keys) keepers.set(key, (keepers.get(key) ?? 0) + 1);
      return () => {
        for (const key of keys.splice(0)) {
          const left = (keepers.get(key) ?? 0) - 1;
          keepers.set(key, left);
          const buffer = buffers.get(key);
          if (left > 0 || !buffer) continue;
          device.destroyBuffer(buffer);
          buffers.delete(key);
        }
      };
    },
    buffer(wanted) {
      const buffer = buffers.get(keyOf(wanted));
      invariant(buffer, `${wanted.kind} "${wanted.name}" was not loaded`);
      return buffer;
    },
    rounding,
    get byteLength() {
      return [...buffers.values()].reduce((sum, { size }) => sum + size, 0);
    },
    dispose() {
      disposed = true;
      for (const buffer of buffers.values()) device.destroyBuffer(buffer);
      buffers.clear();
    },
  };
}

const USAGE = bufferUsage.storage | bufferUsage.copyDst | bufferUsage.copySrc;

const isWeight = (buffer: WeightBuffer | ConstantBuffer): buffer is WeightBuffer => buffer.kind === 'weight';

function keyOf(buffer: WeightBuffer | ConstantBuffer): string {
  if (buffer.kind === 'constant') return `constant ${buffer.name}`;
  return `weight ${buffer.name} ${buffer.dtype} ${buffer.rows?.join(':') ?? 'all'}`;
}

function checkSameSize(buffer: WeightBuffer | ConstantBuffer, size: number | undefined): void {
  if (size === undefined || size === buffer.byteLength) return;
  throw new InputError(
    `${buffer.kind} "${buffer.name}": one plan has ${size} bytes, another ${buffer.byteLength}; expected the same. Give different values different names.`,
  );
}

/** The checkpoint's tensor (or its rows) for every weight. Throws WeightError listing all that are missing. */
function findEntries(
  index: TensorIndex,
  weights: readonly WeightBuffer[],
): ReadonlyMap<TensorEntry, WeightBuffer> {
  const missing = new Set(weights.filter(({ name }) => !index.has(name)).map(({ name }) => name));
  if (missing.size > 0) {
    throw new WeightError(
      `weights: ${missing.size} of the model's tensors are missing: ${[...missing].join(', ')}; expected them in the checkpoint's ${index.size} tensors. Check that the checkpoint is whole and of this architecture.`,
    );
  }
  return new Map(
    weights.map((weight) => {
      const entry = index.get(weight.name);
      invariant(entry, `tensor "${weight.name}" vanished`);
      return [rowsOf(entry, weight), weight];
    }),
  );
}

/** The part of `entry` that `weight` holds. */
function rowsOf(entry: TensorEntry, { name, shape, rows }: WeightBuffer): TensorEntry {
  const where = `weight "${name}"`;
  if (rows) {
    const [total = 0, ...rest] = entry.shape;
    const [begin, end] = rows;
    if (end > total || !sameShape([end - begin, ...rest], shape)) {
      throw new WeightError(
        `${where}: the checkpoint has ${formatShape(entry.shape)}; expected rows ${begin} to ${end} of it as ${formatShape(shape)}.`,
      );
    }
    const rowBytes = entry.byteLength / total;
    const byteLength = rowBytes * (end - begin);
    return { ...entry, shape, offsetBytes: entry.offsetBytes + rowBytes * begin, byteLength };
  }
  if (elementCount(entry.shape) !== elementCount(shape)) {
    throw new WeightError(
      `${where}: the checkpoint has ${formatShape(entry.shape)}; expected ${formatShape(shape)}. The config and the weights do not belong together.`,
    );
  }
  return { ...entry };
}

async function uploadEntries(
  device: Device,
  entries: ReadonlyMap<TensorEntry, WeightBuffer>,
  bufferOf: (weight: WeightBuffer) => GPUBuffer | undefined,
  onRounded: (weight: WeightBuffer, sums: SquaredSums) => void,
  { onProgress, signal, updates, chunkBytes = DEFAULT_CHUNK_BYTES }: WeightStoreOptions,
): Promise<void> {
  if (entries.size === 0) return;
  const bytesTotal = [...entries.keys()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  let bytesDone = 0;
  const updatesOf = ({ name }: WeightBuffer) => updates?.get(name);
  const pieceBytes = (entry: TensorEntry): number => {
    const weight = entries.get(entry);
    if (!weight) return chunkBytes;
    // Two rows hold an even number of elements, which is where converting may start.
    if (updatesOf(weight)) return wholeRows(entry, chunkBytes, 2);
    return isPacked(weight.dtype) ? wholeRows(entry, chunkBytes, 1) : chunkBytes;
  };
  const sizes = [...entries].map(([entry, weight]) => {
    const bytes = Math.min(entry.byteLength, pieceBytes(entry));
    const widened = (bytes * 32) / SAFETENSORS_DTYPE_BITS[entry.dtype];
    return {
      // What the GPU cannot read is staged as f32.
      staged: isConvertible(entry.dtype, 'f32') ? bytes : Math.max(bytes, widened),
      merged: updatesOf(weight) ? widened : 0,
    };
  });
  const uploader = createWeightUploader(device, {
    chunkBytes: alignUp(Math.max(...sizes.map(({ staged }) => staged)), 4),
    mergedBytes: Math.max(...sizes.map(({ merged }) => merged)),
  });
  const factors = createFactorLoader(device, signal);
  try {
    for await (const chunk of readChunks(entries.keys(), {
      chunkBytes,
      pieceBytes,
      ...(signal && { signal }),
    })) {
      const weight = entries.get(chunk.entry);
      const buffer = weight && bufferOf(weight);
      invariant(weight && buffer, `chunk of "${chunk.entry.name}", which nobody asked for`);
      await uploader.upload(chunk, weight, buffer, {
        factors: await factors.of(weight, updatesOf(weight)),
        onRounded: (sums) => onRounded(weight, sums),
      });
      bytesDone += chunk.bytes.byteLength;
      onProgress?.(bytesDone, bytesTotal, chunk.entry.name);
    }
    await uploader.finish();
  } finally {
    await uploader.dispose();
    factors.dispose();
  }
}

/** As many bytes of whole rows, a multiple of `multiple`, as `chunkBytes` holds; so many rows at least. */
function wholeRows({ byteLength, shape }: TensorEntry, chunkBytes: number, multiple: number): number {
  const bytes = (byteLength / dim(shape, 0)) * multiple;
  return Math.max(1, Math.floor(chunkBytes / bytes)) * bytes;
}

/** The factors of one tensor at a time: its chunks, and most often its parts, come one after another. */
function createFactorLoader(device: Device, signal: AbortSignal | undefined) {
  let name: string | undefined;
  let held: Omit<MergeFactors, 'firstRow'> | undefined;
  const release = (): void => {
    if (held) [held.left, held.right].forEach(device.destroyBuffer);
    held = undefined;
    name = undefined;
  };
  return {
    async of(
      weight: WeightBuffer,
      updates: readonly LowRankUpdate[] | undefined,
    ): Promise<MergeFactors | undefined> {
      if (!updates) return undefined;
      if (name !== weight.name || !held) {
        release();
        held = await loadMergeFactors(device, weight.name, updates, signal);
        name = weight.name;
      }
      return { ...held, firstRow: weight.rows?.[0] ?? 0 };
    },
    dispose: release,
  };
}

/** Sums up what was lost of each tensor, whose parts and chunks come one by one. */
function createSums() {
  const sums = new Map<string, SquaredSums & { readonly dtype: PackedDType }>();
  return {
    add({ name, dtype }: WeightBuffer, { error, value }: SquaredSums): void {
      invariant(isPacked(dtype), `weight "${name}" is ${dtype}`);
      const known = sums.get(name) ?? { error: 0, value: 0 };
      sums.set(name, { dtype, error: known.error + error, value: known.value + value });
    },
    roundings: (): [string, Rounding][] =>
      [...sums].map(([name, { dtype, error, value }]) => [
        name,
        { dtype, relativeError: value === 0 ? 0 : Math.sqrt(error / value) },
      ]),
  };
}

function writeWhole(device: Device, buffer: GPUBuffer | undefined, { name, data }: ConstantBuffer): void {
  invariant(buffer, `constant "${name}" has no buffer`);
  invariant(data.BYTES_PER_ELEMENT === DTYPE_BYTES.f32, `constant "${name}" is not of 32-bit values`);
  if (data.length > 0) device.gpu.queue.writeBuffer(buffer, 0, data as ArrayBufferView<ArrayBuffer>);
}
