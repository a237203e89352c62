import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { dequantizeRows } from '../../../src/core/block-quantize.ts';
import { isPacked, storageByteLength, type WeightDType } from '../../../src/core/dtype.ts';
import { bfloat16ToFloat32, float32ToBfloat16 } from '../../../src/core/float16.ts';
import { openAdapters } from '../../../src/generate/adapters/open-adapters.ts';
import { type LoadOptions, loadModel } from '../../../src/generate/load-model.ts';
import { fromGpuBytes } from '../../../src/runtime/host-array.ts';
import { createWeightStore, type WeightBuffer } from '../../../src/runtime/weight-store.ts';
import { openCheckpoint } from '../../../src/weights/checkpoint.ts';
import { type CheckpointFiles, memoryFiles } from '../../../src/weights/checkpoint-files.ts';
import { folderFiles } from '../../../src/weights/checkpoint-folder.ts';
import { readTensor } from '../../../src/weights/read-tensor.ts';
import { encodeSafetensors, type TensorData } from '../../../src/weights/write-safetensors.ts';
import { describeOnAdapters } from '../../adapters.ts';
import { goldenPath } from '../../read-golden.ts';
import { bytesOf, makeIndex } from '../../runtime/make-index.ts';
import { adapterFiles, f32Tensor, merged, valuesFor } from './adapter.ts';

const PREFIX = 'base_model.model';

const rms = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value ** 2, 0) / values.length);

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? Number.NaN))), 0);

describeOnAdapters('merged adapters', (getDevice) => {
  const N = 23;

  // Odd widths, in chunks of two rows, and whole; a table in two parts; two adapters, one of them transposed.
  test.each([
    ['F32', 'f32', 35, 304],
    ['BF16', 'f32', 35, 304],
    ['BF16', 'f32', 36, 2 ** 20],
    ['BF16', 'q8', 70, 400],
    ['F32', 'q4', 64, 2 ** 20],
  ] as const)('%s to %s, rows of %i, chunks of %i bytes', async (from, dtype, columns, chunkBytes) => {
    const shape = [N, columns] as const;
    const exact = valuesFor('w', shape);
    const halves = Uint16Array.from(exact, float32ToBfloat16);
    const weight = from === 'F32' ? exact : Float32Array.from(halves, bfloat16ToFloat32);
    const bytes = bytesOf(from === 'F32' ? exact : halves);
    const checkpoint = {
      index: await makeIndex([{ name: 'layer.weight', dtype: from, shape: [...shape], bytes }]),
      close: async () => {},
    };
    const b = f32Tensor(`${PREFIX}.layer.lora_B.weight`, [N, 3]);
    const a = f32Tensor(`${PREFIX}.layer.lora_A.weight`, [3, columns]);
    const down = f32Tensor(`${PREFIX}.layer.lora_embedding_A`, [2, N]);
    const up = f32Tensor(`${PREFIX}.layer.lora_embedding_B`, [columns, 2]);
    const { index, updates } = await openAdapters(checkpoint, [
      adapterFiles({ r: 3, lora_alpha: 12 }, [a, b]),
      adapterFiles({ r: 2, lora_alpha: 1 }, [down, up]),
    ]);

    const valuesOf = ({ name, shape: own }: TensorData): Float32Array => valuesFor(name, own);
    const transposed = (values: Float32Array, rows: number): Float32Array =>
      values.map((_, i) => values[(i % rows) * (values.length / rows) + Math.floor(i / rows)] ?? 0);
    const first = merged(weight, shape, 4, valuesOf(b), valuesOf(a));
    const expected = merged(
      first,
      shape,
      0.5,
      transposed(valuesOf(down), 2),
      transposed(valuesOf(up), columns),
    );

    const store = createWeightStore(getDevice(), index, { updates, chunkBytes });
    const part = (rows?: readonly [number, number]): WeightBuffer => {
      const own = rows ? [rows[1] - rows[0], columns] : [...shape];
      const byteLength = storageByteLength(dtype, own);
      const named = { kind: 'weight', label: 'w', name: 'layer.weight' } as const;
      return { ...named, dtype, shape: own, byteLength, ...(rows && { rows }) };
    };
    const read = async (wanted: WeightBuffer): Promise<ArrayLike<number>> => {
      const buffer = store.buffer(wanted);
      const stored = fromGpuBytes(await getDevice().readBuffer(buffer, 0, buffer.size), wanted);
      return isPacked(dtype) ? dequantizeRows(stored as Uint32Array, columns, dtype) : stored;
    };
    const parts = [part(), part([0, 8]), part([8, N])] as const;
    const plan = {
      pipelines: [],
      dispatches: [],
      params: new Uint8Array(16),
      inputs: new Map(),
      outputs: new Map(),
      intermediateBytes: 0,
    };
    try {
      await store.load([{ ...plan, buffers: parts }]);
      const whole = await read(parts[0]);
      const cut = [...Array.from(await read(parts[1])), ...Array.from(await read(parts[2]))];
      // Half a step of the largest block, or f32.
      const most = { f32: 1e-6, q8: 0.006, q4: 0.12 }[dtype] * Math.max(...expected.map(Math.abs));
      expect(maxDifference(whole, expected)).toBeLessThan(most);
      expect(cut).toEqual(Array.from(whole));
      // The adapter is no small thing here.
      expect(maxDifference(weight, expected)).toBeGreaterThan(0.2 * rms(expected));
    } finally {
      store.dispose();
    }
  });

  /** Files of a golden with its weights written out anew, some of them changed. */
  async function rewritten(
    files: CheckpointFiles,
    changed: ReadonlyMap<string, Float32Array<ArrayBuffer>>,
  ): Promise<CheckpointFiles> {
    const checkpoint = await openCheckpoint(files);
    const tensors: TensorData[] = [];
    for (const [name, entry] of checkpoint.index) {
      const values = changed.get(name);
      if (values) tensors.push(f32Tensor(name, entry.shape, values));
      else {
        const bytes = await entry.source.read(entry.offsetBytes, entry.byteLength);
        tensors.push({ name, dtype: entry.dtype, shape: entry.shape, bytes });
      }
    }
    await checkpoint.close();
    const contents = new Map<string, Uint8Array>([['model.safetensors', encodeSafetensors(tensors)]]);
    for (const file of (await files.list()) ?? []) {
      if (file.endsWith('.json') && !file.includes('safetensors'))
        contents.set(file, await files.readBytes(file));
    }
    return memoryFiles('rewritten', contents);
  }

  test.each(['f32', 'q8'] as const)(
    'a model in %s answers as one whose weights were merged beforehand',
    async (dtype) => {
      const files = await folderFiles(fileURLToPath(goldenPath('llama3_text')));
      const checkpoint = await openCheckpoint(files);
      const modules = [
        ...[0, 1, 2].flatMap((layer) =>
          ['self_attn.q_proj', 'self_attn.v_proj', 'mlp.down_proj'].map(
            (name) => `model.layers.${layer}.${name}`,
          ),
        ),
        'lm_head',
      ];
      const rank = 4;
      const pairs: TensorData[] = [];
      const changed = new Map<string, Float32Array<ArrayBuffer>>();
      for (const module of modules) {
        const entry = checkpoint.index.get(`${module}.weight`);
        const [n = 0, k = 0] = entry?.shape ?? [];
        const a = f32Tensor(`${PREFIX}.${module}.lora_A.weight`, [rank, k]);
        const b = f32Tensor(`${PREFIX}.${module}.lora_B.weight`, [n, rank]);
        pairs.push(a, b);
        const weight = entry ? await readTensor(entry, 'f32') : [];
        const [down, up] = [valuesFor(a.name, a.shape), valuesFor(b.name, b.shape)];
        changed.set(`${module}.weight`, merged(weight, [n, k], 2, up, down));
      }
      const norm = f32Tensor(`${PREFIX}.model.norm.weight`, [64]);
      changed.set('model.norm.weight', valuesFor(norm.name, norm.shape));
      await checkpoint.close();

      const logitsOf = async (
        source: CheckpointFiles,
        adapters: LoadOptions['adapters'],
      ): Promise<Float32Array> => {
        const liveBytes = getDevice().memory.liveBytes;
        const model = await loadModel(source, { device: getDevice(), dtype: dtype as WeightDType, adapters });
        try {
          const captured = await model.capture(['logits'], { prompt: 'one two three', raw: true });
          return captured.get('logits')?.values ?? new Float32Array();
        } finally {
          model.dispose();
          expect(getDevice().memory.liveBytes).toBeLessThan(liveBytes + 2 ** 20);
        }
      };
      const config = { r: rank, lora_alpha: 8, modules_to_save: ['norm'] };
      const plain = await logitsOf(files, []);
      const adapted = await logitsOf(files, [adapterFiles(config, [...pairs, norm])]);
      const expected = await logitsOf(await rewritten(files, changed), []);
      // In q8 an element between two integers may fall to either side.
      expect(maxDifference(adapted, expected) / rms(expected)).toBeLessThan(dtype === 'f32' ? 1e-4 : 2e-2);
      expect(maxDifference(adapted, plain) / rms(expected)).toBeGreaterThan(0.5);
    },
  );
});
