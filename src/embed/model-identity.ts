import { createHash } from 'node:crypto';
import type { Precision } from '../models/parameters.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { type CheckpointFiles, readJson, readJsonIfPresent } from '../weights/checkpoint-files.ts';
import type { TensorEntry } from '../weights/safetensors.ts';

/** Raised when pictures come out as other embeddings than before from the same files. */
const FORMAT = 1;

/** Whole weights would take seconds to hash; a part of so many tensors tells fine-tuned siblings apart. */
const SAMPLED_TENSORS = 128;
const SAMPLED_BYTES = 1024;

/**
 * A name (hex) for what turns pictures into embeddings: configs, storage types, and every tensor's name, dtype and shape
 * with samples of the values. The same model in another folder has the same. Node only.
 */
export async function modelIdentity(files: CheckpointFiles, precision: Precision): Promise<string> {
  const hash = createHash('sha256');
  const config = await readJson(files, 'config.json');
  const processors = ['preprocessor_config.json', 'processor_config.json'];
  const processing = await Promise.all(processors.map((file) => readJsonIfPresent(files, file)));
  hash.update(JSON.stringify([FORMAT, precision, config, processing]));
  const checkpoint = await openCheckpoint(files);
  try {
    const entries = [...checkpoint.index.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    hash.update(JSON.stringify(entries.map(({ name, dtype, shape }) => [name, dtype, shape])));
    const step = Math.max(1, Math.floor(entries.length / SAMPLED_TENSORS));
    for (const entry of entries.filter((_, i) => i % step === 0)) hash.update(await sampleOf(entry));
  } finally {
    await checkpoint.close();
  }
  return hash.digest('hex');
}

/** From the middle: embedding tables may begin with rows that no training touches. */
function sampleOf({ source, offsetBytes, byteLength }: TensorEntry): Promise<Uint8Array> {
  const length = Math.min(SAMPLED_BYTES, byteLength);
  return source.read(offsetBytes + Math.floor((byteLength - length) / 2), length);
}
