import { readFileSync } from 'node:fs';
import sharp from 'sharp';

/** What clients ask about: text alone, pictures never seen lately, or both with the same few pictures as well. */
export const MIXES = ['text', 'pictures', 'mix'] as const;
export type Mix = (typeof MIXES)[number];

export interface Question {
  /** Data URL. */
  readonly picture?: string | undefined;
  readonly text: string;
  /** The reference's; of text alone there is none. */
  readonly answer?: string | undefined;
  readonly maxTokens: number;
}

/** As many pictures that the server's cache of features no longer has the first when they begin again. */
const VARIANTS_PER_SCENE = 150;

const SHORT_TEXTS = ['What is a dog?', 'Name three fruits.', 'Is a bus large?', 'What colour is snow?'];
const LONG_TEXT =
  'There is a red bus and a blue car on a grey street, and behind the bus there are two trees and a yellow house. ' +
  'Left of the house a cat sits under a bench, and a bird is above the tree. A boy and a girl wait for the bus with a ' +
  'green bag, an umbrella and a small white dog. ';
const LONG_TEXTS = ['What is on the street?', 'Who waits for the bus?', 'What is above the tree?'].map(
  (question) => `${LONG_TEXT}${question}`,
);
const SHORT_ANSWER = 12;
const LONG_ANSWER = 48;

interface Scene {
  readonly image: string;
  readonly questions: readonly { readonly question: string; readonly answer: string }[];
}

const dataUrl = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`;

/** Endless questions of a mix; number n is the same in every run. */
export async function createQuestions(): Promise<(mix: Mix, number: number) => Question> {
  const scenes = JSON.parse(readFileSync('examples/expected.json', 'utf8')) as readonly Scene[];
  const seen = scenes.map(({ image }) => dataUrl(readFileSync(`examples/${image}`)));
  const fresh = await Promise.all(scenes.map(({ image }) => variantsOf(`examples/${image}`)));

  const about = (number: number, isFresh: boolean): Question => {
    const scene = number % scenes.length;
    const round = Math.floor(number / scenes.length);
    const questions = scenes[scene]?.questions ?? [];
    const { question = '', answer } = questions[round % questions.length] ?? {};
    const picture = isFresh ? fresh[scene]?.[round % VARIANTS_PER_SCENE] : seen[scene];
    return { picture, text: question, answer, maxTokens: LONG_ANSWER };
  };
  const text = (number: number): Question =>
    number % 2 === 0
      ? { text: SHORT_TEXTS[(number / 2) % SHORT_TEXTS.length] ?? '', maxTokens: SHORT_ANSWER }
      : { text: LONG_TEXTS[((number - 1) / 2) % LONG_TEXTS.length] ?? '', maxTokens: LONG_ANSWER };
  return (mix, number) => {
    if (mix === 'text') return text(number);
    if (mix === 'pictures') return about(number, true);
    // Two of text, one about a picture of many, one about one of few.
    const quarter = Math.floor(number / 4);
    if (number % 4 < 2) return text(2 * quarter + (number % 4));
    return about(quarter, number % 4 === 2);
  };
}

/** The same picture for an eye and a model, each with another corner. */
async function variantsOf(path: string): Promise<readonly string[]> {
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  const variants: string[] = [];
  for (let i = 0; i < VARIANTS_PER_SCENE; i++) {
    const pixels = Buffer.from(data);
    // Two corner channels, at most 12 levels off: no answer hangs on that.
    pixels[0] = nudged(pixels[0], i % 13);
    pixels[1] = nudged(pixels[1], Math.floor(i / 13));
    variants.push(dataUrl(await sharp(pixels, { raw }).png({ compressionLevel: 1 }).toBuffer()));
  }
  return variants;
}

const nudged = (level = 0, by = 0): number => (level < 128 ? level + by : level - by);
