import type { Plan } from '../compile/plan.ts';
import { EngineError } from '../core/errors.ts';
import { createPicture } from '../image/picture.ts';
import { DEFAULT_QUESTION } from './capture.ts';
import type { CheckpointAssets } from './checkpoint-assets.ts';
import { type Decoder, type Picker, pickerOf } from './decoder.ts';
import { samplingOf } from './generation-config.ts';
import { type ImageEncoder, rowsOf } from './image-encoder.ts';
import { buildPrompt, type Prompt } from './prompt.ts';
import type { GenerateOptions } from './vision-language-model.ts';

/** What is known of an answer before anything runs. */
export interface ExpectedAnswer {
  readonly prompt: Prompt;
  readonly picker: Picker;
  /** Tokens of prompt and answer at most. */
  readonly tokens: number;
}

/** Width and height of a photo as cameras and the web have them; nobody looks at its pixels. */
const USUAL_PICTURE = [640, 480] as const;

/**
 * The answer to `request`, or to the default question about a usual picture. Undefined where there can be none: whoever
 * asks will be told why.
 */
export async function expectAnswer(
  assets: CheckpointAssets,
  request: GenerateOptions | undefined,
): Promise<ExpectedAnswer | undefined> {
  const { generation, model } = assets;
  try {
    const prompt = await buildPrompt(assets, request ?? usualRequest(assets));
    const maxNewTokens = request?.maxNewTokens ?? generation.maxNewTokens;
    return {
      prompt,
      picker: pickerOf(samplingOf(generation, request ?? {})),
      tokens: Math.min(prompt.tokenIds.length + maxNewTokens, model.text.maxPositionEmbeddings),
    };
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function usualRequest({ model }: CheckpointAssets): GenerateOptions {
  if (!model.vision) return { prompt: DEFAULT_QUESTION };
  const [width, height] = USUAL_PICTURE;
  return {
    prompt: DEFAULT_QUESTION,
    images: [createPicture(width, height, new Uint8Array(3 * width * height))],
  };
}

/** The plans that `answer` will run besides those of a step. None where the adapter cannot run one of them. */
export function plansOf(
  { prompt: { tokenIds, media, spans }, picker }: ExpectedAnswer,
  decoder: Decoder,
  imageEncoder: ImageEncoder | undefined,
): readonly Plan[] {
  const shape = { tokens: tokenIds.length, imageRows: rowsOf(media), spans };
  try {
    return [
      ...media.flatMap(({ layout }) => imageEncoder?.plans(layout) ?? []),
      ...decoder.promptPlans(shape, picker),
    ];
  } catch (error) {
    if (error instanceof EngineError) return [];
    throw error;
  }
}
