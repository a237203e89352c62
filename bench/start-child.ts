/** One start in a process of its own, as `tessera describe` makes it: adapter, storage type, checkpoint folder or none. */
import { readAssets } from '../src/generate/checkpoint-assets.ts';
import { type LoadOptions, loadModel } from '../src/generate/load-model.ts';
import { openModelFiles } from '../src/generate/model-files.ts';
import { questionFor } from './question.ts';
import type { StartTimes } from './start-report.ts';

const [adapter, dtype, folder] = process.argv.slice(2);
const { model: kind } = await readAssets(await openModelFiles(folder));
const question = questionFor(kind.vision !== undefined);
const before = { ms: performance.now(), cpu: process.cpuUsage() };
const model = await loadModel(folder, { adapter, dtype: dtype as LoadOptions['dtype'], warm: question });
const loadMs = performance.now() - before.ms;
const generation = model.generate(question);
for await (const _ of generation) break;
const { user, system } = process.cpuUsage(before.cpu);
const totalMs = performance.now();
const times: StartTimes = {
  loadMs,
  firstTokenMs: totalMs - before.ms - loadMs,
  processMs: totalMs,
  cpuMs: (user + system) / 1000,
};
await generation.then(undefined, () => undefined);
model.dispose();
process.stdout.write(`${JSON.stringify(times)}\n`);
