import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { float32ToBfloat16 } from '../../src/core/float16.ts';
import { elementCount, type Shape } from '../../src/core/shape.ts';
import { fanInInit, randomTensors } from '../../src/weights/random-tensors.ts';
import { readTensor } from '../../src/weights/read-tensor.ts';
import { encodeSafetensorsHeader, inFileOrder } from '../../src/weights/write-safetensors.ts';

/** Different random numbers in a file; longer tensors repeat them, which no size or time depends on. */
const BLOCK = 2 ** 20;

/** Writes `config.json` and `model.safetensors` in bfloat16, tensor by tensor. */
export async function writeRandomCheckpoint(
  folder: string,
  config: unknown,
  shapes: ReadonlyMap<string, Shape>,
): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const normal = await normalNumbers();
  const tensors = inFileOrder([...shapes].map(([name, shape]) => ({ name, dtype: 'BF16' as const, shape })));
  const file = await open(join(folder, 'model.safetensors'), 'w');
  try {
    await file.write(encodeSafetensorsHeader(tensors));
    for (const { name, shape } of tensors) {
      const init = fanInInit(name, shape);
      const block = Uint16Array.from(normal, (value) =>
        float32ToBfloat16(init.kind === 'constant' ? init.value : init.std * value),
      );
      let left = elementCount(shape);
      while (left > 0) {
        const count = Math.min(left, BLOCK);
        await file.write(new Uint8Array(block.buffer, 0, count * block.BYTES_PER_ELEMENT));
        left -= count;
      }
    }
  } finally {
    await file.close();
  }
}

async function normalNumbers(): Promise<Float32Array> {
  const tensors = randomTensors(new Map([['block', [BLOCK]]]), 1, () => ({ kind: 'normal', std: 1 }));
  const block = tensors.get('block');
  if (!block) throw new Error('a tensor of random numbers was asked for');
  return readTensor(block, 'f32');
}
