import { embedding } from '../../../src/graph/embedding.ts';
import { permute } from '../../../src/graph/movement.ts';
import { pixelShuffle } from '../../../src/graph/pixel-shuffle.ts';
import { spliceRows } from '../../../src/graph/splice-rows.ts';
import type { GoldenBuilders } from '../golden-call.ts';

export const movement: GoldenBuilders = {
  transpose: ({ input, numbers }) => permute(input('x'), numbers('perm')),
  pixel_shuffle_connector: ({ input, number }) => pixelShuffle(input('x'), number('scale')),
  embedding({ input }) {
    const weight = input('weight');
    return embedding(input('ids'), weight, { dtype: weight.dtype === 'f16' ? 'f16' : 'f32' });
  },
  masked_scatter({ input, values, constant }) {
    const { data, shape } = values('mask');
    let row = 0;
    const index = Int32Array.from(data, (taken) => (taken ? row++ : -1));
    return spliceRows(input('x'), input('source'), constant('index', index, shape));
  },
};
