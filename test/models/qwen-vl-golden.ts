import { decoderInputs } from '../../src/generate/decoder-inputs.ts';
import { buildDecoderGraph, buildTileGraph, wholeModelGraphs } from '../../src/generate/graphs.ts';
import { interpret } from '../../src/graph/interpret.ts';
import type { Model } from '../../src/models/model.ts';
import type { Precision } from '../../src/models/parameters.ts';
import { createModel } from '../../src/models/registry.ts';
import { makePrompt, referenceTiles } from '../../src/verify/inputs.ts';
import { referenceFeatures } from '../../src/verify/vision-stages.ts';
import { readGoldenJson } from '../read-golden.ts';
import { openGolden } from './golden.ts';
import { relativeError } from './part.ts';

const F32: Precision = { weights: 'f32', activations: 'f32', kvCache: 'f32' };

type Json = Readonly<Record<string, unknown>>;
type Values = ArrayLike<number>;

/** What is computed otherwise than the reference does, to show that the reference can tell. */
export interface QwenVariation {
  /** Fields of vision_config that are replaced. */
  readonly vision?: Json;
  readonly model?: (model: Model) => Model;
  readonly pixels?: (tile: Float32Array) => Float32Array;
  readonly positions?: (axes: readonly Int32Array[]) => readonly Int32Array[];
  readonly features?: (features: Float32Array) => Float32Array;
  readonly processor?: Json;
}

/** A run of a golden of Qwen-VL in f64, part by part on the reference's own inputs. */
export async function openQwenVl(name: string) {
  const golden = await openGolden(name);
  const { assets, reference, weights, root, close, files } = golden;
  const config = readGoldenJson<Json & { vision_config: Json }>(`${name}/config.json`);

  const modelOf = ({ vision = {}, model = (same) => same }: QwenVariation): Model =>
    model(createModel({ ...config, vision_config: { ...config.vision_config, ...vision } }, 'config.json'));
  const open = async (runName: string, { processor = {} }: QwenVariation) => {
    const run = reference.runs.find((one) => one.name === runName);
    if (!run) throw new Error(`${name} has no run "${runName}"`);
    return { run, ...(await makePrompt(assets, files, { ...run, processor }, '')) };
  };

  return {
    close,
    unusedTensors(): readonly string[] {
      wholeModelGraphs(assets.model, root, F32, 1);
      return root.finish();
    },
    expected: async (runName: string, stage: string): Promise<Float32Array> => {
      const { run } = await open(runName, {});
      return reference.floats(run, stage);
    },
    /** Largest error of a tower's stage over all media of a run, relative to its RMS. */
    async towerError(runName: string, stage: string, variation: QwenVariation = {}): Promise<number> {
      const { run, prompt } = await open(runName, variation);
      const tiles = await referenceTiles(reference, run, prompt.media);
      const values = prompt.media.flatMap(({ layout }, i) => {
        const graph = buildTileGraph(modelOf(variation), root, F32, layout.tile);
        return (tiles[i] ?? []).flatMap((tile) => {
          const pixelValues = variation.pixels?.(tile) ?? tile;
          return Array.from(interpret(graph, { ...weights, pixelValues }).named.get(stage) ?? []);
        });
      });
      return relativeError(values, await reference.floats(run, stage));
    },
    /** Logits of every token of a run. */
    async logits(runName: string, variation: QwenVariation = {}): Promise<Float64Array> {
      const { run, prompt } = await open(runName, variation);
      const { tokenIds, imageIndex, spans } = prompt;
      const model = modelOf(variation);
      const seq = tokenIds.length;
      const recorded = await referenceFeatures(reference, run, model);
      const tensor = variation.features?.(recorded) ?? recorded;
      const rows = tensor.length / (model.vision?.featureWidth ?? 1);
      const shape = { seq, capacity: seq, imageRows: rows, spans: false, picker: 'none' } as const;
      const graph = buildDecoderGraph(model, root, F32, shape);
      const inputs = decoderInputs(
        model,
        {
          tokenIds,
          images: { features: { tensor, rows }, index: imageIndex },
          positions: variation.positions?.(prompt.positions) ?? prompt.positions,
          spans,
        },
        { begin: 0, count: seq, seq, past: 0, nextPosition: 0, capacity: seq },
      );
      const { named } = interpret(graph, { ...weights, ...(inputs as Readonly<Record<string, Values>>) });
      return named.get('logits') ?? new Float64Array();
    },
  };
}
