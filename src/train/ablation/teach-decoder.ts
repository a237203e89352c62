import type { Device } from '../../device/gpu-device.ts';
import { crossEntropy } from '../../graph/cross-entropy.ts';
import { reshape, slice } from '../../graph/movement.ts';
import { PART_PREFIXES } from '../../models/compose/compose-vlm.ts';
import { createModel } from '../../models/registry.ts';
import { SINGLE_FILE } from '../../weights/checkpoint.ts';
import { encodeSafetensors } from '../../weights/write-safetensors.ts';
import { writeFolder } from '../atomic-folder.ts';
import { createRandom, pickDistinct, type Random } from '../random.ts';
import { runTraining } from '../run-training.ts';
import { nameOf, SCENES, type Scene } from '../scenes/scene.ts';
import { warmupCosine } from '../schedule.ts';
import { trainedTensors } from '../trained-weights.ts';
import { type Batch, createTrainer } from '../trainer.ts';
import type { BuildLoss } from '../training-graph.ts';
import type { DecoderSizes } from './architecture.ts';
import { readTokens } from './losses.ts';
import { initialWeights } from './new-weights.ts';
import { decoderConfig } from './open-vlm.ts';
import { OPTIMIZER } from './optimizer.ts';
import type { TrainingSettings } from './train-point.ts';
import { encodeAnswer, endOf, FILLERS, idOf } from './words.ts';

/** Words before an answer, as many as a picture may have tokens. */
const CONTEXT = 16;
/** Tokens of an answer that are read: start and words. */
const ANSWER = 5;
const USE = 0x7e4c;
const IGNORED = -100;

export interface TeachOptions {
  readonly device: Device;
  /** Becomes a LlamaForCausalLM's folder. */
  readonly folder: string;
  readonly sizes: DecoderSizes;
  readonly settings: TrainingSettings;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((step: number, losses: readonly number[]) => void) | undefined;
}

/**
 * Trains a decoder on text alone: it reads the words of a scene in any order, among words that say nothing, and writes
 * them in the order of a name. So it knows the language before it is shown a picture, and a projector has to put
 * pictures into words that it knows. Throws AbortError where the signal fired; nothing is written then.
 */
export async function teachDecoder({
  device,
  folder,
  sizes,
  settings,
  signal,
  onStep,
}: TeachOptions): Promise<void> {
  const { seed, steps, batchSize, learningRate } = settings;
  const config = decoderConfig(sizes);
  const loss = textLoss(config, batchSize);
  const index = initialWeights(loss, new Map(), 'next-token', seed);
  const trainer = await createTrainer(device, loss, index, OPTIMIZER);
  try {
    const losses: number[] = [];
    await runTraining({
      trainer,
      steps,
      schedule: warmupCosine({ peak: learningRate, steps, warmup: Math.floor(steps / 10) }),
      batchesOf: (step) => [textBatch(batchSize, createRandom(seed, USE, step))],
      signal,
      onStep(step, report) {
        losses.push(report.loss);
        onStep?.(step, losses);
      },
    });
    const tensors = await trainedTensors(trainer, await trainer.readStates(trainer.stateNames), index);
    const own = tensors.map((tensor) => ({
      ...tensor,
      name: tensor.name.slice(PART_PREFIXES.decoder.length + 1),
    }));
    await writeFolder(
      folder,
      new Map<string, Uint8Array | string>([
        ['config.json', `${JSON.stringify(config, null, 2)}\n`],
        [SINGLE_FILE, encodeSafetensors(own, { format: 'pt' })],
      ]),
    );
  } finally {
    trainer.dispose();
  }
}

/** Inputs ids [B, CONTEXT + ANSWER] u32 and labels [B * ANSWER] i32. */
const textLoss =
  (config: Readonly<Record<string, unknown>>, batchSize: number): BuildLoss =>
  (graph, w) => {
    const decoder = createModel(config, 'decoder');
    const language = w.scope(PART_PREFIXES.decoder);
    const ids = graph.input('ids', [batchSize, CONTEXT + ANSWER], 'u32');
    const hidden = readTokens(decoder, decoder.embedTokens(ids, language, 'f32'), language);
    const answers = reshape(slice(hidden, 1, CONTEXT), [batchSize * ANSWER, decoder.text.hiddenSize]);
    return crossEntropy(
      decoder.logits(answers, language),
      graph.input('labels', [batchSize * ANSWER], 'i32'),
    );
  };

function textBatch(batchSize: number, random: Random): Batch {
  const rows = pickDistinct(SCENES, batchSize, random).map((scene) => {
    const answer = encodeAnswer(nameOf(scene), ANSWER + 1);
    const labels = answer.slice(1).map((id, i) => (i + 1 <= endOf(answer) ? id : IGNORED));
    return { ids: [...contextOf(scene, random), ...answer.slice(0, -1)], labels };
  });
  return {
    ids: Uint32Array.from(rows.flatMap(({ ids }) => ids)),
    labels: Int32Array.from(rows.flatMap(({ labels }) => labels)),
  };
}

/** All words of a scene once or more among fillers, in any order, at the end of what is read; `plain` is said here. */
function contextOf({ size, texture, colour, shape }: Scene, random: Random): readonly number[] {
  const words = [size, texture, colour, shape];
  const room = words.length + random.integer(CONTEXT - words.length + 1);
  const others = Array.from({ length: room - words.length }, () =>
    random.next() < 0.5 ? words[random.integer(words.length)] : FILLERS[random.integer(FILLERS.length)],
  );
  const before = Array.from({ length: CONTEXT - room }, () => FILLERS[random.integer(FILLERS.length)]);
  const spoken = pickDistinct([...words, ...others], room, random);
  return [...before, ...spoken].map((word) => idOf(word ?? FILLERS[0]));
}
