import { invariant } from '../core/errors.ts';
import { elementCount } from '../core/shape.ts';
import { joined } from '../generate/capture-graph.ts';
import type { CheckpointAssets } from '../generate/checkpoint-assets.ts';
import { buildPrompt, type Prompt, type PromptOptions } from '../generate/prompt.ts';
import { loadPicture } from '../image/load-picture.ts';
import { pictureClip } from '../processors/picture-clip.ts';
import type { ProcessedMedium } from '../processors/processor.ts';
import type { ContentPart, Message } from '../text/messages.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import { compareIds, compareValues } from './compare.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';

/** Preprocessing is integer arithmetic and a table: nothing is left to rounding but the last bit. */
export const PIXEL_TOLERANCE = 1e-6;

/** The names under which the reference records what towers are fed. */
const PIXELS = { image: 'inputs.pixel_values', video: 'inputs.pixel_values_videos' } as const;

/** The one of a kind of media; some families keep videos under the pictures' name. */
const pixelStage = (reference: Reference, run: ReferenceRun, kind: keyof typeof PIXELS): string =>
  reference.has(run, PIXELS[kind]) ? PIXELS[kind] : PIXELS.image;

/** A run's prompt as it is made here from its messages and pictures. */
export interface MadePrompt {
  readonly prompt: Prompt;
  /** Of the pictures, for the table. */
  readonly note: string | undefined;
}

/** Makes the prompt `plainPrompt`, or that of the run's messages. */
export async function makePrompt(
  assets: CheckpointAssets,
  files: CheckpointFiles,
  run: ReferenceRun,
  plainPrompt: string,
): Promise<MadePrompt> {
  const pictures = createPictures(files);
  const request: PromptOptions = run.messages
    ? { messages: await withMedia(run.messages, run, pictures) }
    : { prompt: plainPrompt, raw: true, images: await Promise.all(run.images.map(pictures.read)) };
  const prompt = await buildPrompt(assets, { ...request, processor: run.processor });
  return { prompt, note: pictures.note() };
}

/** Tokens, pixels and positions made here, against those the reference fed its model. */
export async function* verifyInputs(
  { prompt, note }: MadePrompt,
  reference: Reference,
  run: ReferenceRun,
  row: number,
): AsyncGenerator<StageResult> {
  const expected = (await promptIds(reference, run))[row] ?? [];
  const stage = run.prompts.length > 1 ? `inputs.input_ids[${row}]` : 'inputs.input_ids';
  yield compareIds({ run: run.name, stage, shape: [1, expected.length] }, prompt.tokenIds, expected);
  for (const kind of ['image', 'video'] as const) {
    const media = prompt.media.filter((medium) => medium.kind === kind);
    const pixels = pixelStage(reference, run, kind);
    if (media.length === 0 || !reference.has(run, pixels)) continue;
    const where = { run: run.name, stage: pixels, shape: reference.shape(run, pixels) };
    const tiles = await referenceTiles(reference, run, media);
    yield compareValues(where, joined(await tilesOf(media)), joined(tiles.flat()), PIXEL_TOLERANCE, note);
  }
  if (reference.has(run, 'inputs.token_type_ids')) yield await compareTokenTypes(prompt, reference, run);
  if (!reference.has(run, 'mrope.position_ids')) return;
  const ids = await reference.integers(run, 'mrope.position_ids');
  const positions = {
    run: run.name,
    stage: 'mrope.position_ids',
    shape: reference.shape(run, 'mrope.position_ids'),
  };
  yield compareIds(
    positions,
    prompt.positions.flatMap((axis) => [...axis]),
    [...ids],
  );
  const delta = [...(await reference.integers(run, 'mrope.delta'))];
  const next = { run: run.name, stage: 'mrope.delta', shape: [1] };
  yield compareIds(next, [prompt.nextPosition - prompt.tokenIds.length], delta);
}

/**
 * Which tokens see others both ways. PaliGemma calls them 0 and those after its prefix 1, Gemma 3 calls those of a picture
 * 1 and text 0: both ways see the tokens of the type that pictures have.
 */
async function compareTokenTypes(
  { imageIndex, spans }: Prompt,
  reference: Reference,
  run: ReferenceRun,
): Promise<StageResult> {
  const stage = 'inputs.token_type_ids';
  const types = [...(await reference.integers(run, stage))];
  const ofPictures = types[imageIndex.findIndex((row) => row >= 0)] ?? 1;
  const isOpen = Array.from(imageIndex, (_, i) => Number((spans?.[2 * i + 1] ?? 0) > (spans?.[2 * i] ?? 0)));
  const where = { run: run.name, stage, shape: reference.shape(run, stage) };
  return compareIds(
    where,
    isOpen,
    types.map((type) => Number(type === ofPictures)),
  );
}

async function tilesOf(media: readonly ProcessedMedium[]): Promise<Float32Array[]> {
  const tiles: Float32Array[] = [];
  for (const medium of media) for await (const tile of medium.tiles()) tiles.push(tile);
  return tiles;
}

/** The pixel values that the reference fed its tower for each tile of each of `media`, which are of one kind. */
export async function referenceTiles(
  reference: Reference,
  run: ReferenceRun,
  media: readonly ProcessedMedium[],
): Promise<readonly (readonly Float32Array[])[]> {
  const stage = pixelStage(reference, run, media[0]?.kind ?? 'image');
  const pixels = await reference.floats(run, stage);
  const shape = reference.shape(run, stage);
  // Pictures of unlike numbers of tiles are padded to the most: [pictures, most tiles, 3, H, W].
  const isPadded = shape.length === 5 && shape[0] === media.length;
  let next = 0;
  return media.map(({ layout }, i) => {
    const size = elementCount(layout.tile.shape);
    const begin = isPadded ? i * elementCount(shape.slice(1)) : next;
    next = begin + layout.tiles * size;
    return Array.from({ length: layout.tiles }, (_, tile) =>
      pixels.slice(begin + tile * size, begin + (tile + 1) * size),
    );
  });
}

/** The reference's ids, one list per prompt, without the padding of a batch. */
export async function promptIds(
  reference: Reference,
  run: ReferenceRun,
): Promise<readonly (readonly number[])[]> {
  const [rows = 1, length = 0] = reference.shape(run, 'inputs.input_ids');
  const ids = await reference.integers(run, 'inputs.input_ids');
  const mask = await reference.integers(run, 'inputs.attention_mask');
  return Array.from({ length: rows }, (_, row) => {
    const begin = row * length;
    return [...ids.slice(begin, begin + length)].filter((_id, i) => mask[begin + i] === 1);
  });
}

interface Pictures {
  readonly read: (file: string) => Promise<Uint8Array>;
  readonly note: () => string | undefined;
}

/** Picture files of a reference, and what the table says of them. */
function createPictures(files: CheckpointFiles): Pictures {
  let note: string | undefined;
  return {
    async read(file) {
      const picture = await readRecordedPicture(files, file);
      note = picture.note ?? note;
      return picture.bytes;
    },
    note: () => note,
  };
}

/** Messages whose picture and video parts hold what they name. */
async function withMedia(
  messages: readonly Message[],
  { video }: ReferenceRun,
  { read }: Pictures,
): Promise<readonly Message[]> {
  const load = async (part: ContentPart): Promise<ContentPart> => {
    if (part.type === 'image') return { ...part, image: await read(String(part.image)) };
    if (part.type === 'text') return part;
    invariant(video, 'a video part has a video recorded');
    const frames = await Promise.all(video.frames.map(async (file) => loadPicture(await read(file))));
    return { ...part, video: pictureClip(frames, video.fps) };
  };
  return Promise.all(
    messages.map(async ({ role, content }) => ({
      role,
      content: typeof content === 'string' ? content : await Promise.all(content.map(load)),
    })),
  );
}

export interface RecordedPicture {
  readonly bytes: Uint8Array;
  readonly note: string | undefined;
}

/**
 * A picture of the reference. JPEG decoders differ by a level or so, therefore one that the reference also recorded
 * decoded is taken from there, and the table says so.
 */
export async function readRecordedPicture(files: CheckpointFiles, file: string): Promise<RecordedPicture> {
  const decoded = file.replace(/\.[^.]+$/, '.decoded.png');
  if (!(await files.has(decoded))) return { bytes: await files.readBytes(file), note: undefined };
  return { bytes: await files.readBytes(decoded), note: `picture from ${decoded}` };
}
