import { dim } from '../../../src/core/shape.ts';
import { transpose } from '../../../src/graph/movement.ts';
import { type RopeOptions, rope } from '../../../src/graph/rope.ts';
import type { Tensor } from '../../../src/graph/tensor.ts';
import type { RopeParameters } from '../../../src/models/blocks/rope-parameters.ts';
import { mropeTables, type RopeTables, ropeTables } from '../../../src/models/blocks/rope-tables.ts';
import type { GoldenBuilders, GoldenCall } from '../golden-call.ts';

// The golden's tensors are [B, H, S, D].

const plain = ({ input, number }: GoldenCall): RopeParameters => ({
  ropeType: 'default',
  theta: number('theta'),
  rotaryDim: dim(input('x').shape, -1),
});

const llama3 = ({ input, number }: GoldenCall): RopeParameters => ({
  ropeType: 'llama3',
  theta: number('rope_theta'),
  rotaryDim: dim(input('x').shape, -1),
  factor: number('factor'),
  lowFreqFactor: number('low_freq_factor'),
  highFreqFactor: number('high_freq_factor'),
  originalMaxPositionEmbeddings: number('original_max_position_embeddings'),
});

/** Turns every row of the batch by the same table rows. */
function turn(call: GoldenCall, tables: RopeTables, rows: Uint32Array, options?: RopeOptions): Tensor {
  const x = transpose(call.input('x'), 1, 2); // [B, S, H, D]
  const [batch, tokens, headDim] = [dim(x.shape, 0), dim(x.shape, 1), dim(x.shape, 3)];
  const frequencies = headDim / 2;
  const table = (name: 'cos' | 'sin') =>
    call.constant(name, tables[name], [tables[name].length / frequencies, frequencies]);
  const positions = Uint32Array.from({ length: batch * tokens }, (_, i) => rows[i % tokens] ?? Number.NaN);
  const y = rope(x, table('cos'), table('sin'), call.constant('rows', positions, [batch, tokens]), options);
  return transpose(y, 1, 2);
}

function turnByPosition(call: GoldenCall, parameters: RopeParameters, options?: RopeOptions): Tensor {
  const positions = Uint32Array.from(call.values('positions').data);
  return turn(call, ropeTables(parameters, Math.max(...positions) + 1), positions, options);
}

export const ropes: GoldenBuilders = {
  rope_neox: (call) => turnByPosition(call, plain(call)),
  rope_interleaved: (call) => turnByPosition(call, plain(call), { interleaved: true }),
  rope_llama3: (call) => turnByPosition(call, llama3(call)),
  mrope(call) {
    const { data, shape } = call.values('positions'); // [axes, S]
    const tokens = dim(shape, 1);
    const axes = Array.from({ length: dim(shape, 0) }, (_, axis) =>
      data.subarray(axis * tokens, (axis + 1) * tokens),
    );
    const tables = mropeTables(plain(call), call.numbers('mrope_section'), axes);
    return turn(
      call,
      tables,
      Uint32Array.from({ length: tokens }, (_, token) => token),
    );
  },
};
