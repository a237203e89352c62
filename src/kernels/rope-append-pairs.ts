import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { ropeAppend } from '../ops/rope-append.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/**
 * Queries, keys and values of the new tokens, each to its place; one thread per pair of dims as in `rope_pairs`, pairs
 * that do not turn copied through.
 * x [tokens, (heads + 2 kvHeads) headDim], keys and values [B, capacity, kvHeads, headDim].
 */
export const ropeAppendPairs = defineKernel({
  name: 'rope_append_pairs',
  op: ropeAppend,
  bindings: {
    x: 'read',
    cos: 'read',
    sin: 'read',
    positions: 'read',
    past: 'read',
    keys: 'read_write',
    values: 'read_write',
    q: 'write',
  },
  params: {
    tokens: 'u32',
    rows: 'u32',
    heads: 'u32',
    kvHeads: 'u32',
    headDim: 'u32',
    half: 'u32',
    capacity: 'u32',
  },
  tuning: { workgroupSize: [64] },
  prepare({ inputs, attrs }) {
    const [batch = 0, tokens = 0] = required(inputs, 'x', 'rope_append_pairs').shape;
    const [, capacity = 0, kvHeads = 0, headDim = 0] = required(inputs, 'keys', 'rope_append_pairs').shape;
    const half = dim(required(inputs, 'cos', 'rope_append_pairs').shape, 1);
    const rows = batch * tokens * (attrs.heads + 2 * kvHeads);
    return {
      params: { tokens, rows, heads: attrs.heads, kvHeads, headDim, half, capacity },
      variant: { interleaved: attrs.interleaved },
    };
  },
  supports: () => true,
  wgsl: ({ dtypes, variant }, t) => wgsl`
    ${workgroupIndex}
    const WORKGROUP_SIZE = ${t.workgroupSize}u;

    // Where a head of a token goes: to q, or to its cache, of which rows beyond the capacity are dropped.
    fn store(token: u32, head: u32, d: u32, value: f32) {
      if (head < params.heads) {
        q[(token * params.heads + head) * params.headDim + d] = ${dtypes.q ?? 'f32'}(value);
        return;
      }
      let batch = token / params.tokens;
      let slot = past[batch] + token % params.tokens;
      if (slot >= params.capacity) { return; }
      let kvHead = (head - params.heads) % params.kvHeads;
      let at = ((batch * params.capacity + slot) * params.kvHeads + kvHead) * params.headDim + d;
      if (head < params.heads + params.kvHeads) {
        keys[at] = ${dtypes.keys ?? 'f32'}(value);
      } else {
        values[at] = ${dtypes.values ?? 'f32'}(value);
      }
    }

    @compute @workgroup_size(WORKGROUP_SIZE)
    fn main(
      @builtin(workgroup_id) workgroupId: vec3u,
      @builtin(num_workgroups) numWorkgroups: vec3u,
      @builtin(local_invocation_index) thread: u32,
    ) {
      // Per row: half pairs that turn, then the dims that pass through, one thread each.
      let perRow = params.headDim - params.half;
      let index = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
      let row = index / perRow;
      if (row >= params.rows) { return; }
      let i = index % perRow;
      let perToken = params.heads + 2u * params.kvHeads;
      let token = row / perToken;
      let head = row % perToken;
      let start = row * params.headDim;
      if (i >= params.half) {
        store(token, head, params.half + i, f32(x[start + params.half + i]));
        return;
      }
      let first = ${variant.interleaved ? '2u * i' : 'i'};
      let second = ${variant.interleaved ? 'first + 1u' : 'i + params.half'};
      let a = f32(x[start + first]);
      let b = f32(x[start + second]);
      // Values do not turn.
      let turns = head < params.heads + params.kvHeads;
      let entry = positions[token] * params.half + i;
      let c = select(1.0, cos[entry], turns);
      let s = select(0.0, sin[entry], turns);
      store(token, head, first, a * c - b * s);
      store(token, head, second, b * c + a * s);
    }
  `,
  dispatch: ({ params }, t) =>
    spreadWorkgroups(Math.ceil((params.rows * (params.headDim - params.half)) / t.workgroupSize)),
  cost({ params, dtypes }) {
    const bytes = params.rows * params.headDim * DTYPE_BYTES[dtypes.x ?? 'f32'];
    return { flops: 6 * params.rows * params.half, bytesRead: bytes, bytesWritten: bytes };
  },
});
