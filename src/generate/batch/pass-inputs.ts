import { invariant } from '../../core/errors.ts';
import type { Model } from '../../models/model.ts';
import { encodeSampling, SAMPLING_WORDS } from '../../ops/sampling.ts';
import type { HostArray } from '../../runtime/host-array.ts';
import type { DeviceTensor, InputValue } from '../../runtime/inputs.ts';
import { decoderInputs } from '../decoder-inputs.ts';
import { GREEDY, type SamplingOptions } from '../generation-config.ts';
import type { PagedCacheShape, PassShape } from './batch-graph.ts';
import { SPARE_PAGE } from './page-pool.ts';

/** One answer in a pass over several: its latest token, or its prompt. */
export interface PassRow {
  /** Tokens that are not in the cache yet; those of a prompt are all there are before an answer. */
  readonly tokenIds: readonly number[];
  /** Tokens in the cache. */
  readonly past: number;
  /** Of each token along each axis; counted on from `nextPosition` where absent. */
  readonly positions?: readonly Int32Array[] | undefined;
  readonly nextPosition: number;
  /** Of each token its row in the pass's image features, or -1. */
  readonly imageIndex?: Int32Array | undefined;
  /** First and last key that each token sees besides those before it. */
  readonly spans?: Uint32Array | undefined;
  readonly pages: readonly number[];
  readonly sampling: SamplingOptions;
  readonly seed: number;
}

/** Tokens `begin` to `end` of a row. */
export function rowPart(row: PassRow, begin: number, end: number): PassRow {
  return {
    ...row,
    tokenIds: row.tokenIds.slice(begin, end),
    past: row.past + begin,
    positions: row.positions?.map((axis) => axis.subarray(begin, end)),
    imageIndex: row.imageIndex?.subarray(begin, end),
    spans: row.spans?.subarray(2 * begin, 2 * end),
  };
}

/** Image features of all rows of a pass, one after another. */
export interface PassFeatures {
  readonly tensor: DeviceTensor;
  readonly rows: number;
}

/** Fills up a pass; what it leaves lies in the page that nobody owns. */
const IDLE: PassRow = { tokenIds: [0], past: 0, nextPosition: 0, pages: [], sampling: GREEDY, seed: 0 };

/** Inputs of a pass, each row padded behind its tokens. */
export function passInputs(
  model: Model,
  rows: readonly PassRow[],
  shape: PassShape,
  { capacity }: PagedCacheShape,
  features: PassFeatures | undefined,
): Readonly<Record<string, InputValue>> {
  const { rows: count, tokens: seq, pagesPerRow } = shape;
  const padded = Array.from({ length: count }, (_, i) => rows[i] ?? IDLE);
  const ofRows = padded.map(({ tokenIds, past, positions, nextPosition, spans }) => {
    const ownSpans = shape.spans ? (spans ?? new Uint32Array(2 * tokenIds.length)) : undefined;
    return decoderInputs(
      model,
      { tokenIds, positions, spans: ownSpans },
      { begin: 0, count: tokenIds.length, seq, past, nextPosition, capacity },
    );
  });
  const inputs: Record<string, InputValue> = {};
  for (const name of Object.keys(ofRows[0] ?? {})) {
    inputs[name] = joined(ofRows.map((own) => own[name] as HostArray));
  }
  const pages = new Uint32Array(count * pagesPerRow).fill(SPARE_PAGE);
  const sampling = new Uint32Array(count * SAMPLING_WORDS);
  for (const [i, row] of padded.entries()) {
    pages.set(row.pages.slice(0, pagesPerRow), i * pagesPerRow);
    const step = row.past + row.tokenIds.length;
    sampling.set(encodeSampling({ ...row.sampling, seed: row.seed, step }), i * SAMPLING_WORDS);
  }
  Object.assign(inputs, { pages, sampling });
  if (seq > 1) inputs.lastRow = Uint32Array.from(padded, ({ tokenIds }, i) => i * seq + tokenIds.length - 1);
  if (!features) return inputs;
  const index = new Int32Array(count * seq).fill(-1);
  for (const [i, { imageIndex }] of padded.entries()) if (imageIndex) index.set(imageIndex, i * seq);
  return { ...inputs, imageIndex: index, imageFeatures: features.tensor };
}

/** Arrays of one kind, one after another. */
function joined(parts: readonly HostArray[]): HostArray {
  const [first] = parts;
  invariant(first, 'a pass has no rows');
  const values = parts.flatMap((part) => Array.from(part));
  if (first instanceof Float32Array) return Float32Array.from(values);
  return first instanceof Int32Array ? Int32Array.from(values) : Uint32Array.from(values);
}
