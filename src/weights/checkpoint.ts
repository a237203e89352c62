import { WeightError } from '../core/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { type CheckpointFiles, checkPlainFileName, readJson } from './checkpoint-files.ts';
import { readSafetensors, type SafetensorsFile, type TensorEntry, type TensorIndex } from './safetensors.ts';
import { isJsonObject, showJson } from './strict-json.ts';

export const SINGLE_FILE = 'model.safetensors';
export const SHARD_INDEX = 'model.safetensors.index.json';
/** Headers read at once: hides a server's latency, and a hostile index still stops at its first missing shard. */
const PARALLEL_SHARDS = 8;

/** The tensors of a checkpoint, single or sharded, with their files open until `close`. */
export interface Checkpoint {
  readonly name: string;
  readonly index: TensorIndex;
  /** `__metadata__` of the file, or of the first shard: all shards carry the same. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Closes its files; tensors that were not read by then cannot be. */
  close(): Promise<void>;
}

/**
 * Opens `model.safetensors`, or the shards of `model.safetensors.index.json` where there is no single file (the
 * order transformers looks in). Only headers are read. Throws WeightError; nothing stays open then.
 */
export async function openCheckpoint(files: CheckpointFiles): Promise<Checkpoint> {
  if (await files.has(SINGLE_FILE)) return openFiles(files, [SINGLE_FILE], undefined);
  if (!(await files.has(SHARD_INDEX))) throw noWeightsError(files.name, (await files.list()) ?? []);
  const weightMap = await readShardIndex(files);
  return openFiles(files, shardsOf(weightMap), weightMap);
}

/** The shards that the index names. Throws WeightError when it is missing or malformed. */
export const readShardNames = async (files: CheckpointFiles): Promise<readonly string[]> =>
  shardsOf(await readShardIndex(files));

/** Tensor name to shard file. */
type WeightMap = ReadonlyMap<string, string>;

const shardsOf = (weightMap: WeightMap): string[] => [...new Set(weightMap.values())].sort();

const readShardIndex = async (files: CheckpointFiles): Promise<WeightMap> =>
  parseShardIndex(await readJson(files, SHARD_INDEX), `${files.name}: ${SHARD_INDEX}`);

function parseShardIndex(json: unknown, where: string): WeightMap {
  const weightMap = isJsonObject(json) ? json.weight_map : undefined;
  if (!isJsonObject(weightMap)) {
    throw new WeightError(`${where}: has no "weight_map" object; expected tensor names and their files.`);
  }
  const shardOf = new Map<string, string>();
  for (const [name, file] of Object.entries(weightMap)) {
    const label = `${where}: tensor ${showJson(name)}`;
    if (typeof file !== 'string') {
      throw new WeightError(`${label} maps to ${showJson(file)}; expected a file name.`);
    }
    checkPlainFileName(file, label);
    shardOf.set(name, file);
  }
  if (shardOf.size === 0) throw new WeightError(`${where}: "weight_map" is empty; expected tensors.`);
  return shardOf;
}

async function openFiles(
  files: CheckpointFiles,
  names: readonly string[],
  weightMap: WeightMap | undefined,
): Promise<Checkpoint> {
  const sources: ByteSource[] = [];
  const close = async () => {
    await Promise.all(sources.splice(0).map((source) => source.close()));
  };
  try {
    const shards = await readHeaders(files, names, sources);
    const index = mergeShards(shards, files.name);
    if (weightMap) checkWeightMap(weightMap, index, `${files.name}: ${SHARD_INDEX}`);
    return { name: files.name, index, metadata: shards[0]?.metadata ?? new Map(), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Opens the files a few at a time; each opened source is put in `sources`, also when another one fails. */
async function readHeaders(
  files: CheckpointFiles,
  names: readonly string[],
  sources: ByteSource[],
): Promise<SafetensorsFile[]> {
  const readHeader = async (file: string): Promise<SafetensorsFile> => {
    const source = await files.open(file);
    sources.push(source);
    return readSafetensors(source);
  };
  const shards: SafetensorsFile[] = [];
  for (let start = 0; start < names.length; start += PARALLEL_SHARDS) {
    // allSettled: an error must wait for the others, or they would open files after `close`.
    const batch = names.slice(start, start + PARALLEL_SHARDS);
    for (const result of await Promise.allSettled(batch.map(readHeader))) {
      if (result.status === 'rejected') throw result.reason;
      shards.push(result.value);
    }
  }
  return shards;
}

function mergeShards(shards: readonly SafetensorsFile[], where: string): Map<string, TensorEntry> {
  const merged = new Map<string, TensorEntry>();
  for (const entry of shards.flatMap((shard) => [...shard.index.values()])) {
    const twin = merged.get(entry.name);
    if (twin) {
      throw new WeightError(
        `${where}: tensor ${showJson(entry.name)} is in ${twin.source.name} and in ${entry.source.name}; expected it once. Files of two checkpoints may be mixed: download it again.`,
      );
    }
    merged.set(entry.name, entry);
  }
  return merged;
}

function checkWeightMap(weightMap: WeightMap, index: TensorIndex, where: string): void {
  for (const [name, file] of weightMap) {
    const found = index.get(name)?.source.name;
    if (found === file) continue;
    throw new WeightError(
      `${where}: tensor ${showJson(name)} is said to be in ${file}, but is in ${found ?? 'no shard'}; expected both to agree. Download the checkpoint again.`,
    );
  }
}

/** Says what weights there are instead, among the file names that are known, and what to do with them. */
export function noWeightsError(name: string, names: readonly string[]): WeightError {
  const where = `${name}: holds neither ${SINGLE_FILE} nor ${SHARD_INDEX}`;
  const found = names.filter((file) => /\.(safetensors|bin|pth?|ckpt|gguf|onnx|h5|msgpack)$/.test(file));
  if (found.length === 0) {
    return new WeightError(`${where}; expected one of them. Check the path or address.`);
  }
  return new WeightError(
    `${where}, but ${found.slice(0, 5).join(', ')}; expected one of the two. ${remedyFor(found)}`,
  );
}

function remedyFor(found: readonly string[]): string {
  if (found.some((name) => name.endsWith('.safetensors'))) {
    return `Rename a single weight file to ${SINGLE_FILE}, or add the shards' index.`;
  }
  if (found.some((name) => name.endsWith('.gguf'))) {
    return 'Use the original repository that the GGUF was made from.';
  }
  return 'Convert it once with transformers: model.save_pretrained(folder, safe_serialization=True).';
}
