import { imageTokensOf } from '../../models/model.ts';
import { paddedRows } from '../image-encoder.ts';
import type { BatchParts } from './create-batch.ts';
import type { Job } from './job.ts';
import type { DecodedRows, PagedDecoder } from './paged-decoder.ts';

/** Encodes the pictures of prompts and runs these in one pass. */
export async function runPromptRows(
  jobs: readonly Job[],
  decoder: PagedDecoder,
  encode: BatchParts['encode'],
): Promise<DecodedRows> {
  const prompts = jobs.map((job) => job.promptRow());
  let before = 0;
  const rows = prompts.map(({ row, media }) => {
    const first = before;
    before += imageTokensOf(media);
    return { ...row, imageIndex: row.imageIndex?.map((index) => (index < 0 ? index : index + first)) };
  });
  const options = {
    begins: rows.every(({ past }) => past === 0),
    wantsLogits: jobs.some(({ readsLogits }) => readsLogits),
  };
  if (before === 0) return decoder.run(rows, options);
  // As many rows whichever prompts have pictures, so that they share a plan.
  const most = Math.max(...prompts.map(({ media }) => imageTokensOf(media)));
  const minRows = decoder.sizeFor(jobs.length) * paddedRows(most);
  const features = await encode(
    prompts.flatMap(({ media }) => media),
    minRows,
  );
  try {
    return await decoder.run(rows, { ...options, features });
  } finally {
    features.dispose();
  }
}
