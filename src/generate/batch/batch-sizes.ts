import { DTYPE_BYTES } from '../../core/dtype.ts';
import { InputError } from '../../core/errors.ts';
import type { ModelRuntime } from '../sessions.ts';
import type { BatchOptions } from './batch.ts';
import { PAGE_SIZE, pagesFor } from './page-pool.ts';
import type { PagedDecoderSizes } from './paged-decoder.ts';

const DEFAULT_SLOTS = 8;
const DEFAULT_CONTEXT = 4096;
/** Of the KV cache, unless a caller says how many tokens it shall hold. */
const DEFAULT_CACHE_BYTES = 2 ** 30;

/**
 * What a batch is built for. Throws InputError for a cache that cannot hold one request, or that the adapter cannot bind.
 */
export function batchSizes(
  { model, device, precision }: Pick<ModelRuntime, 'model' | 'device' | 'precision'>,
  options: BatchOptions,
): PagedDecoderSizes {
  const { numKeyValueHeads, headDim, numHiddenLayers, maxPositionEmbeddings } = model.text;
  const { slots = DEFAULT_SLOTS } = options;
  const rowBytes = numKeyValueHeads * headDim * DTYPE_BYTES[precision.kvCache];
  // Keys of a layer are one binding; a page of it is the spare one.
  const largest = Math.floor(device.caps.limits.maxStorageBufferBindingSize / rowBytes) - PAGE_SIZE;
  const contextTokens = Math.min(options.contextTokens ?? DEFAULT_CONTEXT, maxPositionEmbeddings, largest);
  const affordable = Math.floor(DEFAULT_CACHE_BYTES / (2 * numHiddenLayers * rowBytes));
  const cacheTokens =
    options.cacheTokens ?? Math.min(slots * contextTokens, largest, Math.max(affordable, contextTokens));
  const pages = pagesFor(cacheTokens);
  if (cacheTokens > largest || pages < pagesFor(contextTokens)) {
    throw new InputError(
      `batch: a KV cache of ${cacheTokens} tokens; expected ${contextTokens} to ${largest} for one request's context and what ${device.caps.adapterName} can bind. Change cacheTokens or contextTokens.`,
    );
  }
  return { slots, contextTokens, pages };
}
