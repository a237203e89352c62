import type { Device } from '../../src/device/gpu-device.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { openModelCase, PROMPT } from './model-case.ts';
import type { ModelPeer } from './peer.ts';

/** Whole models through `loadModel`, as a user has them. */
export function tesseraModels(device: Device): ModelPeer {
  let opened: { readonly folder: string; readonly model: VisionLanguageModel } | undefined;
  return {
    variants: () => 1,
    async open(one) {
      if (opened?.folder !== one.folder) {
        opened?.model.dispose();
        opened = undefined;
        const model = await loadModel(one.folder, { device, dtype: one.dtype });
        opened = { folder: one.folder, model };
      }
      const { model } = opened;
      return openModelCase(one, (newTokens) => {
        // A seed makes every answer start from an empty cache.
        const options = { prompt: PROMPT, raw: true, greedy: true, seed: 1, maxNewTokens: newTokens };
        const answer = model.generate(options);
        return {
          first: answer[Symbol.asyncIterator]().next(),
          ids: Promise.resolve(
            answer.then(({ promptTokenIds, tokenIds }) => [...promptTokenIds, ...tokenIds]),
          ),
        };
      });
    },
  };
}
