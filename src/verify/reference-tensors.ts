import { InputError } from '../core/errors.ts';
import type { Shape } from '../core/shape.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import { readTensor } from '../weights/read-tensor.ts';
import { readSafetensors } from '../weights/safetensors.ts';

/** The recorded tensors, by their names in `reference.safetensors`. */
export interface ReferenceTensors {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** Throws InputError where it was not recorded, as the next two do. */
  shape(name: string): Shape;
  floats(name: string): Promise<Float32Array>;
  integers(name: string): Promise<Int32Array>;
  close(): Promise<void>;
}

/** Throws InputError where a checkpoint has no recorded reference. */
export async function requireReference(files: CheckpointFiles): Promise<void> {
  for (const file of ['reference.json', 'reference.safetensors']) {
    if (await files.has(file)) continue;
    throw new InputError(
      `${files.name}: has no ${file}; expected a recorded reference. See docs/adding-a-model.md for how to record one.`,
    );
  }
}

/** Opens `reference.safetensors`. */
export async function openReferenceTensors(files: CheckpointFiles): Promise<ReferenceTensors> {
  const source = await files.open('reference.safetensors');
  const { index } = await readSafetensors(source);
  const entryOf = (name: string) => {
    const entry = index.get(name);
    if (!entry)
      throw new InputError(`${source.name}: has no tensor "${name}"; expected it in the reference.`);
    return entry;
  };
  return {
    names: [...index.keys()],
    has: (name) => index.has(name),
    shape: (name) => entryOf(name).shape,
    floats: (name) => readTensor(entryOf(name), 'f32'),
    integers: (name) => readTensor(entryOf(name), 'i32'),
    close: () => source.close(),
  };
}
