/**
 * A training in a process of its own, to be killed: `worker.ts ADAPTER FOLDER STEPS KEEP`. It goes on from the newest
 * checkpoint, keeps so many of them, and writes a line to standard output after each step and each checkpoint.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { requestDevice } from '../../src/device/request-device.ts';
import { removeUnfinished } from '../../src/train/atomic-folder.ts';
import { listCheckpoints, restoreCheckpoint, saveCheckpoint } from '../../src/train/checkpoint.ts';
import { dataOrder } from '../../src/train/data-order.ts';
import { openMetrics } from '../../src/train/metrics.ts';
import { runTraining } from '../../src/train/run-training.ts';
import { warmupCosine } from '../../src/train/schedule.ts';
import { createTrainer } from '../../src/train/trainer.ts';
import { CLASSIFIER_WEIGHTS, classifier, points } from './classifier.ts';

const [adapter = '', folder = '', stepCount = '', keep = ''] = process.argv.slice(2);
const steps = Number(stepCount);
const CHECKPOINT_EVERY = 3;

const device = await requestDevice({ adapter });
const trainer = await createTrainer(device, classifier, CLASSIFIER_WEIGHTS, {
  optimizer: { kind: 'adamw' },
  clipNorm: 1,
});
await removeUnfinished(folder);
const [newest] = await listCheckpoints(folder);
if (newest) await restoreCheckpoint(newest.path, trainer);
const startStep = newest?.step ?? 0;
const metrics = await openMetrics(join(folder, 'metrics.jsonl'), startStep);
const order = dataOrder({ count: 7, batchSize: 1, seed: 5 });
process.stdout.write(`start ${startStep}\n`);
await runTraining({
  trainer,
  steps,
  startStep,
  schedule: warmupCosine({ peak: 0.02, steps, warmup: 4 }),
  checkpointEvery: CHECKPOINT_EVERY,
  async batchesOf(step) {
    await sleep(20);
    return order(step).map(points);
  },
  onStep(step, { loss }) {
    metrics.add(step, { loss });
    process.stdout.write(`step ${step}\n`);
  },
  async onCheckpoint(step) {
    await metrics.flush();
    const content = { step, trainer, index: CLASSIFIER_WEIGHTS, files: { 'config.json': {} }, settings: {} };
    await saveCheckpoint(folder, content, Number(keep));
    process.stdout.write(`checkpoint ${step}\n`);
  },
});
process.stdout.write('done\n');
trainer.dispose();
device.dispose();
// Dawn keeps the process alive as long as its instance is.
process.exit(0);
