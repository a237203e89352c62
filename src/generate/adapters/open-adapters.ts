import { WeightError } from '../../core/errors.ts';
import { formatShape, sameShape } from '../../core/shape.ts';
import type { ByteSource } from '../../weights/byte-source.ts';
import type { Checkpoint } from '../../weights/checkpoint.ts';
import { type CheckpointFiles, readJson } from '../../weights/checkpoint-files.ts';
import type { LowRankUpdate, LowRankUpdates } from '../../weights/low-rank-update.ts';
import { readSafetensors, type TensorEntry, type TensorIndex } from '../../weights/safetensors.ts';
import { openModelFiles } from '../model-files.ts';
import { type AdapterConfig, parseAdapterConfig } from './adapter-config.ts';
import { type AdapterPair, sortAdapterTensors, tensorFinder } from './adapter-tensors.ts';

/** A folder in Node, an http(s) address, or files in memory, with adapter_config.json and adapter_model.safetensors. */
export type AdapterSource = string | URL | CheckpointFiles;

/** A checkpoint with what adapters change of it. */
export interface AdaptedCheckpoint extends Pick<Checkpoint, 'index' | 'close'> {
  /** To be added to tensors while they load. */
  readonly updates: LowRankUpdates;
}

const WEIGHTS_FILE = 'adapter_model.safetensors';

/**
 * Opens LoRA adapters as PEFT saves them and fits them to a checkpoint, one after another: pairs become updates,
 * tensors saved whole take the place of the checkpoint's. Only headers are read. Closing closes the checkpoint too.
 * Throws WeightError, ConfigError or UnsupportedError; the checkpoint stays open then, the adapters do not.
 */
export async function openAdapters(
  checkpoint: Pick<Checkpoint, 'index' | 'close'>,
  sources: readonly AdapterSource[],
): Promise<AdaptedCheckpoint> {
  const index = new Map(checkpoint.index);
  const updates = new Map<string, LowRankUpdate[]>();
  const opened: ByteSource[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((source) => source.close()));
  };
  try {
    for (const source of sources) {
      const files = await openModelFiles(source);
      const config = parseAdapterConfig(
        await readJson(files, 'adapter_config.json'),
        `${files.name}: adapter_config.json`,
      );
      const file = await files.open(WEIGHTS_FILE);
      opened.push(file);
      addAdapter(
        `${files.name}: ${WEIGHTS_FILE}`,
        (await readSafetensors(file)).index,
        config,
        index,
        updates,
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    index,
    updates,
    close: async () => {
      await Promise.all([close(), checkpoint.close()]);
    },
  };
}

function addAdapter(
  where: string,
  tensors: TensorIndex,
  config: AdapterConfig,
  index: Map<string, TensorEntry>,
  updates: Map<string, LowRankUpdate[]>,
): void {
  const { pairs, replacements } = sortAdapterTensors(tensors, where);
  const find = tensorFinder(index);
  const targetOf = (name: string): TensorEntry => {
    const target = index.get(find(name) ?? '');
    if (target) return target;
    const isHead = name.endsWith('lm_head.weight');
    throw new WeightError(
      `${where}: adapts "${name}", which is not among the checkpoint's ${index.size} tensors; expected an adapter of this architecture. ${isHead ? 'A head that is tied to the embeddings cannot be adapted by itself.' : "Compare the names with those of 'tessera inspect --tensors'."}`,
    );
  };
  for (const { name, entry } of replacements) {
    const target = targetOf(name);
    if (!sameShape(target.shape, entry.shape)) {
      throw new WeightError(
        `${where}: "${entry.name}" is ${formatShape(entry.shape)}; expected ${formatShape(target.shape)}, the shape of "${target.name}".`,
      );
    }
    index.set(target.name, { ...entry, name: target.name });
    updates.delete(target.name);
  }
  for (const pair of pairs) {
    const target = targetOf(`${pair.module}.weight`);
    const update = updateOf(pair, target, config, where);
    updates.set(target.name, [...(updates.get(target.name) ?? []), update]);
  }
}

function updateOf(
  { module, a, b, isEmbedding }: AdapterPair,
  target: TensorEntry,
  config: AdapterConfig,
  where: string,
): LowRankUpdate {
  const rank = config.rankOf(module);
  const [n, k] = target.shape;
  // An embedding's A meets the rows of the table, any other's the features that come in.
  const [rows, columns] = isEmbedding ? [k, n] : [n, k];
  const fits = target.shape.length === 2 && sameShape(a.shape, [rank, columns ?? 0]);
  if (!fits || !sameShape(b.shape, [rows ?? 0, rank])) {
    throw new WeightError(
      `${where}: module "${module}" has A ${formatShape(a.shape)} and B ${formatShape(b.shape)} for "${target.name}" ${formatShape(target.shape)}; expected A [${rank}, ${columns}] and B [${rows}, ${rank}] for a matrix. The adapter may be of another model.`,
    );
  }
  return { a, b, scale: config.scaleOf(module), transposed: isEmbedding };
}
