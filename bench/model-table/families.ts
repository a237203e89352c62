import type { ConfigReader } from '../../src/models/config-reader.ts';

/** `model_type` → the name people know the family by. */
const FAMILIES: Readonly<Record<string, string>> = {
  clip: 'CLIP',
  siglip: 'SigLIP, SigLIP 2',
  llama: 'Llama 2 and 3, SmolLM2',
  qwen2: 'Qwen2, Qwen2.5',
  qwen3: 'Qwen3',
  gemma: 'Gemma',
  gemma2: 'Gemma 2',
  gemma3_text: 'Gemma 3, text',
  llava: 'LLaVA, LLaVA 1.5',
  llava_next: 'LLaVA-NeXT',
  llava_next_video: 'LLaVA-NeXT-Video',
  llava_onevision: 'LLaVA-OneVision',
  paligemma: 'PaliGemma',
  gemma3: 'Gemma 3',
  smolvlm: 'SmolVLM',
  idefics3: 'Idefics3',
  qwen2_vl: 'Qwen2-VL',
  qwen2_5_vl: 'Qwen2.5-VL',
  qwen3_vl: 'Qwen3-VL',
};

/** PaliGemma 2 has PaliGemma's `model_type`; its decoder tells it. */
export function familyName(config: ConfigReader): string {
  const modelType = config.string('model_type');
  const text = config.optionalObject('text_config')?.string('model_type', '');
  if (modelType === 'paligemma' && text === 'gemma2') return 'PaliGemma 2';
  return FAMILIES[modelType] ?? modelType;
}
