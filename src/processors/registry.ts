import { UnsupportedError } from '../core/errors.ts';
import { gemma3Processor } from './gemma3.ts';
import { llavaProcessor } from './llava.ts';
import { llavaNextProcessor } from './llava-next.ts';
import { llavaOnevisionProcessor } from './llava-onevision.ts';
import { paliGemmaProcessor } from './paligemma.ts';
import type { Processor, ProcessorSources } from './processor.ts';
import { qwen2VlProcessor, qwen25VlProcessor } from './qwen-vl/qwen2-vl.ts';
import { qwen3VlProcessor } from './qwen-vl/qwen3-vl.ts';
import { smolVlmProcessor } from './smolvlm.ts';

/** `model_type` of config.json → what turns its conversations into numbers. */
const PROCESSORS: ReadonlyMap<string, (sources: ProcessorSources) => Processor> = new Map([
  ['gemma3', gemma3Processor],
  ['idefics3', smolVlmProcessor],
  ['llava', llavaProcessor],
  ['llava_next', llavaNextProcessor],
  ['llava_next_video', llavaNextProcessor],
  ['llava_onevision', llavaOnevisionProcessor],
  ['paligemma', paliGemmaProcessor],
  ['qwen2_5_vl', qwen25VlProcessor],
  ['qwen2_vl', qwen2VlProcessor],
  ['qwen3_vl', qwen3VlProcessor],
  ['smolvlm', smolVlmProcessor],
]);

/** The processor of a vision language model. Throws ConfigError for bad fields of its files. */
export function createProcessor(sources: ProcessorSources): Processor {
  const { modelType } = sources.model;
  const create = PROCESSORS.get(modelType);
  if (create) return create(sources);
  throw new UnsupportedError(
    `processor: model_type "${modelType}" has none; expected one of ${[...PROCESSORS.keys()].join(', ')}.`,
  );
}
