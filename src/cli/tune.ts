import { kernelCalls } from '../compile/compile.ts';
import type { IrNode } from '../compile/ir.ts';
import type { Caps } from '../core/caps.ts';
import { requestDevice } from '../device/request-device.ts';
import { writeTuning } from '../device/tuning-cache.ts';
import { largestBatch } from '../embed/batches.ts';
import { buildImageGraph, buildTextGraph } from '../embed/graphs.ts';
import { initialCapacity } from '../generate/decoder.ts';
import { buildDecoderGraph, wholeModelGraphs } from '../generate/graphs.ts';
import { openModelFiles } from '../generate/model-files.ts';
import { choosePrecision, type DTypeChoice } from '../generate/precision.ts';
import type { Graph } from '../graph/graph.ts';
import { createDualEncoder, createModel, isDualEncoder } from '../models/registry.ts';
import { tuneCalls } from '../runtime/tune.ts';
import { openCheckpoint } from '../weights/checkpoint.ts';
import { type CheckpointFiles, readJson } from '../weights/checkpoint-files.ts';
import type { TensorIndex } from '../weights/safetensors.ts';
import { weightScope } from '../weights/weight-scope.ts';
import { defineCommand } from './command.ts';
import { modelOptions, modelSource } from './model-options.ts';
import { createProgressLine, formatProgress } from './progress.ts';
import { formatTuning } from './tune-report.ts';

/** Tokens of the prompt chunks whose kernels are tuned: a question alone, and one about a picture. */
const PROMPT_CHUNKS = [32, 128, 512];

export const tuneCommand = defineCommand({
  name: 'tune',
  details:
    'Which kernel is the fastest for a call depends on the adapter. Without tuning a cost model decides; this command measures what it holds for likely, for every kernel call of a model, and keeps the winners in the cache folder for this adapter and driver. Models of the same shapes profit, too. What was measured is void once a kernel that could serve the call has changed. On a machine that does other work, measurements mean little.',
  operands: { usage: '[DIR|HUB_ID]', min: 0, max: 1 },
  options: {
    adapter: modelOptions.adapter,
    dtype: modelOptions.dtype,
    'dry-run': { kind: 'flag', help: 'measure and report, but keep nothing' },
    json: { kind: 'flag', help: 'everything that was measured as one JSON object' },
  },
  examples: [
    'tessera tune',
    'tessera tune ./SmolLM2-135M-Instruct --dtype q4',
    'tessera tune --adapter lavapipe --dry-run',
  ],
  async run(options, [source], { stdout, stderr, signal }) {
    const files = await openModelFiles(await modelSource(source, { stderr, signal }));
    const checkpoint = await openCheckpoint(files);
    const device = await requestDevice({ adapter: options.adapter, tuned: null });
    const progress = createProgressLine(stderr);
    try {
      const graphs = await modelGraphs(files, checkpoint.index, options.dtype ?? 'auto', device.caps);
      const calls = new Map<string, IrNode>(graphs.flatMap((graph) => [...kernelCalls(graph, device.caps)]));
      const tuned = await tuneCalls(device, calls, {
        signal,
        onProgress: (done, total, op) =>
          progress.show(formatProgress('tune', done, total, `${done} of ${total}: ${op}`)),
      });
      progress.clear();
      const key = { adapterName: device.caps.adapterName, driver: device.driver };
      const kernels = new Map(tuned.map((call) => [call.signature, call.tuned]));
      const path = options['dry-run'] ? null : await writeTuning(key, kernels);
      if (options.json) stdout.write(`${JSON.stringify({ ...key, path, calls: tuned })}\n`);
      else stdout.write(`${formatTuning(tuned, path).join('\n')}\n`);
      return 0;
    } finally {
      progress.clear();
      device.dispose();
      await checkpoint.close();
    }
  },
});

/** Every graph a model runs as, at usual sizes. */
async function modelGraphs(
  files: CheckpointFiles,
  index: TensorIndex,
  dtype: DTypeChoice,
  caps: Caps,
): Promise<readonly Graph[]> {
  const config = await readJson(files, 'config.json');
  const where = `${files.name}: config.json`;
  const weights = weightScope(index, files.name);
  const precision = choosePrecision(dtype, caps, index);
  if (isDualEncoder(config, where)) {
    const model = createDualEncoder(config, where);
    const seq = model.text.maxPositionEmbeddings;
    const limit = caps.limits.maxStorageBufferBindingSize;
    return [
      buildImageGraph(model, weights, precision, 1),
      buildImageGraph(
        model,
        weights,
        precision,
        largestBatch(model.vision, model.vision.tokensPerImage, limit),
      ),
      buildTextGraph(model, weights, precision, { batch: 1, seq }),
    ];
  }
  const model = createModel(config, where);
  const capacity = initialCapacity(model.text.maxPositionEmbeddings);
  const chunk = { capacity, imageRows: 0, spans: false, picker: 'greedy' } as const;
  return [
    ...wholeModelGraphs(model, weights, precision, capacity),
    ...PROMPT_CHUNKS.filter((seq) => seq <= capacity).map((seq) =>
      buildDecoderGraph(model, weights, precision, { ...chunk, seq }),
    ),
  ];
}
