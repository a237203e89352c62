import type { CheckpointAssets } from '../generate/checkpoint-assets.ts';
import { buildPrompt } from '../generate/prompt.ts';
import type { Message } from '../text/messages.ts';
import type { CheckpointFiles } from '../weights/checkpoint-files.ts';
import { compareIds, compareValues } from './compare.ts';
import type { Reference, ReferenceRun } from './reference.ts';
import type { StageResult } from './stage-result.ts';

/** Preprocessing is integer arithmetic and a table: nothing is left to rounding but the last bit. */
export const PIXEL_TOLERANCE = 1e-6;

/** Tokens and pixels made here from the run's messages and pictures, against those the reference fed its model. */
export async function* verifyInputs(
  assets: CheckpointAssets,
  files: CheckpointFiles,
  reference: Reference,
  run: ReferenceRun,
): AsyncGenerator<StageResult> {
  const expectedRows = await promptIds(reference, run);
  for (const [row, plainPrompt] of run.prompts.entries()) {
    const { prompt, note } = await promptOf(assets, files, run, plainPrompt);
    const stage = run.prompts.length > 1 ? `inputs.input_ids[${row}]` : 'inputs.input_ids';
    const expected = expectedRows[row] ?? [];
    yield compareIds({ run: run.name, stage, shape: [1, expected.length] }, prompt.tokenIds, expected);
    if (prompt.pixelValues.length > 0 && reference.has(run, 'inputs.pixel_values')) {
      const where = {
        run: run.name,
        stage: 'inputs.pixel_values',
        shape: reference.shape(run, 'inputs.pixel_values'),
      };
      const actual = Float32Array.from(prompt.pixelValues.flatMap((values) => [...values]));
      yield compareValues(
        where,
        actual,
        await reference.floats(run, 'inputs.pixel_values'),
        PIXEL_TOLERANCE,
        note,
      );
    }
  }
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

async function promptOf(
  assets: CheckpointAssets,
  files: CheckpointFiles,
  run: ReferenceRun,
  plainPrompt: string,
) {
  if (run.messages === null)
    return { prompt: await buildPrompt(assets, { prompt: plainPrompt, raw: true }), note: undefined };
  const { messages, note } = await withPictures(run.messages, files);
  return { prompt: await buildPrompt(assets, { messages }), note };
}

/** Picture parts with the bytes of their files. */
async function withPictures(
  messages: readonly Message[],
  files: CheckpointFiles,
): Promise<{ messages: readonly Message[]; note: string | undefined }> {
  let note: string | undefined;
  const load = async (file: string): Promise<Uint8Array> => {
    const picture = await readRecordedPicture(files, file);
    note = picture.note ?? note;
    return picture.bytes;
  };
  const loaded: Message[] = [];
  for (const { role, content } of messages) {
    const parts =
      typeof content === 'string'
        ? content
        : await Promise.all(
            content.map(async (part) =>
              part.type === 'image' ? { ...part, image: await load(String(part.image)) } : part,
            ),
          );
    loaded.push({ role, content: parts });
  }
  return { messages: loaded, note };
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
