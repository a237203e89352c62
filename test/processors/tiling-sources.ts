import { createHash } from 'node:crypto';
import { createPicture, type Picture } from '../../src/image/picture.ts';
import { readConfig } from '../../src/models/config-reader.ts';
import { createModel } from '../../src/models/registry.ts';
import type { Medium, ProcessedMedium, ProcessorSources } from '../../src/processors/processor.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';

/** Files of a checkpoint that a processor is made from. */
export interface ProcessorJson {
  readonly config: Readonly<Record<string, unknown>>;
  readonly imageProcessor: Readonly<Record<string, unknown>>;
  readonly videoProcessor?: Readonly<Record<string, unknown>>;
  readonly processor: Readonly<Record<string, unknown>>;
}

/** Sources of a processor without a checkpoint: of the tokenizer only the names of image tokens are there. */
export function sourcesOf(json: ProcessorJson): ProcessorSources {
  const names: Readonly<Record<number, string>> = { 1: '<image>', 2: '<video>' };
  const tokenizer = { idToToken: (id: number) => names[id] ?? null } as unknown as Tokenizer;
  return {
    model: createModel(json.config, 'config.json'),
    config: readConfig(json.config, 'config.json'),
    tokenizer,
    imageProcessor: readConfig(json.imageProcessor, 'preprocessor_config.json'),
    videoProcessor: json.videoProcessor && readConfig(json.videoProcessor, 'video_preprocessor_config.json'),
    processor: readConfig(json.processor, 'processor_config.json'),
  };
}

/** The picture that tilings.py draws. */
export function pattern(width: number, height: number): Picture {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const channel = i % 3;
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / 3 / width);
    return x * 37 + y * 101 + channel * 59 + x * y * 7 + (x ^ y) * 13;
  });
  return createPicture(width, height, data);
}

export const pictureMedium = (picture: Picture): Medium => ({ kind: 'image', key: null, picture });

export async function tilesOf(medium: ProcessedMedium): Promise<Float32Array[]> {
  const tiles: Float32Array[] = [];
  for await (const tile of medium.tiles()) tiles.push(tile);
  return tiles;
}

/** Hash of pixel values that are 8-bit levels, as tilings.py makes it. */
export async function levelHash(medium: ProcessedMedium): Promise<string> {
  const hash = createHash('sha256');
  for (const tile of await tilesOf(medium)) hash.update(Uint8Array.from(tile));
  return hash.digest('hex');
}
