struct Params {
  count: u32,
  channels: u32,
  rows: u32,
  rowOffset: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> weight: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const PLACES = vec4f(1.0, 0.00390625, 1.52587890625e-5, 1.52587890625e-5);

fn stored(word: u32) -> vec4f {
  return vec4f(vec4i(vec4u(vec3u(word), word >> 8u) & vec4u(0xffu, 0xff00u, 0xff0000u, 0xff0000u)));
}

const ZERO = 128.0;
const VECTORS = 1u;
const BLOCK_WORDS = 8u;

fn rowBlocks(columns: u32) -> u32 {
  return (columns + 31u) / 32u;
}

fn rowStart(row: u32, columns: u32) -> u32 {
  let blocks = rowBlocks(columns);
  return row * (blocks * BLOCK_WORDS + 4u * ((blocks + 7u) / 8u));
}

fn scaleOf(start: u32, blocks: u32, b: u32) -> f32 {
  let at = start + blocks * BLOCK_WORDS + b / 2u;
  let pair = weight[at];
  // bfloat16 is the high half of an f32.
  return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
}

fn packedVector(row: u32, columns: u32, step: u32) -> vec4f {
  let start = rowStart(row, columns);
  let word = weight[start + step / VECTORS] >> (4u * (step % VECTORS));
  return (stored(word) * PLACES - ZERO) * scaleOf(start, rowBlocks(columns), step / 8u);
}

const WORKGROUP_SIZE = 64u;
const LANES = 1u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
  if (i >= params.count / LANES) { return; }

  let channel = i * LANES % params.channels;
  // Unsigned, so that an id before the first row wraps round to one beyond the last.
  let row = u32(ids[i * LANES / params.channels]) - params.rowOffset;
  if (row < params.rows) {
    y[i] = f32(packedVector(row, params.channels, channel / 4u)[channel % 4u]);
  } else {
    y[i] = f32();
  }
}
