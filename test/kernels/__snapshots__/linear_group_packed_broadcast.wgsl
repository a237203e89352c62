enable subgroups;

struct Params {
  k: u32,
  n: u32,
  tiles: u32,
  begin1: u32,
  begin2: u32,
  eps: f32,
  offset: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> w0: array<u32>;
@group(0) @binding(3) var<storage, read> w1: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

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

    fn scaleOf_w0(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w0[at];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn scaleOf_w1(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w1[at];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

fn silu(x: f32) -> f32 {
  return x * sigmoid(x);
}

fn storeGate(gate: f32, up: f32, row: u32) {
  y[row] = f32(silu(gate) * (up));
}

const LANES = 8u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let first = workgroupIndex(workgroupId, numWorkgroups) * LANES;
  let tiles = params.tiles / 1u;
  if (first >= tiles) { return; }
  // Lanes beyond the last tile repeat it.
  let tile = min(first + lane, tiles - 1u);
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let w0_start = rowStart(tile * 1u + 0u, params.k);
  let w1_start = rowStart(tile * 1u + 0u, params.k);

  var sum0 = 0.0;
  var sum1 = 0.0;
  for (var b = 0u; b < blocks; b++) {
    let q0_0 = w0[w0_start + b * BLOCK_WORDS + 0u];
    let q1_0 = w1[w1_start + b * BLOCK_WORDS + 0u];
    let q0_1 = w0[w0_start + b * BLOCK_WORDS + 1u];
    let q1_1 = w1[w1_start + b * BLOCK_WORDS + 1u];
    let q0_2 = w0[w0_start + b * BLOCK_WORDS + 2u];
    let q1_2 = w1[w1_start + b * BLOCK_WORDS + 2u];
    let q0_3 = w0[w0_start + b * BLOCK_WORDS + 3u];
    let q1_3 = w1[w1_start + b * BLOCK_WORDS + 3u];
    let q0_4 = w0[w0_start + b * BLOCK_WORDS + 4u];
    let q1_4 = w1[w1_start + b * BLOCK_WORDS + 4u];
    let q0_5 = w0[w0_start + b * BLOCK_WORDS + 5u];
    let q1_5 = w1[w1_start + b * BLOCK_WORDS + 5u];
    let q0_6 = w0[w0_start + b * BLOCK_WORDS + 6u];
    let q1_6 = w1[w1_start + b * BLOCK_WORDS + 6u];
    let q0_7 = w0[w0_start + b * BLOCK_WORDS + 7u];
    let q1_7 = w1[w1_start + b * BLOCK_WORDS + 7u];
    // Past the end of a row the last vector stands in: the weight is zero there.
    let at0 = 8u * b + 0u * LANES + lane;
    let raw0 = vec4f(x[min(at0, steps - 1u)]);
    let x0 = raw0;
    let own0 = x0 * PLACES;
    let zero = -ZERO * subgroupAdd(dot(x0, vec4f(1.0)));
    var part0 = zero;
    var part1 = zero;
    let value0 = subgroupBroadcast(own0, 0u);
    part0 += dot(value0, stored(q0_0));
    part1 += dot(value0, stored(q1_0));
    let value1 = subgroupBroadcast(own0, 1u);
    part0 += dot(value1, stored(q0_1));
    part1 += dot(value1, stored(q1_1));
    let value2 = subgroupBroadcast(own0, 2u);
    part0 += dot(value2, stored(q0_2));
    part1 += dot(value2, stored(q1_2));
    let value3 = subgroupBroadcast(own0, 3u);
    part0 += dot(value3, stored(q0_3));
    part1 += dot(value3, stored(q1_3));
    let value4 = subgroupBroadcast(own0, 4u);
    part0 += dot(value4, stored(q0_4));
    part1 += dot(value4, stored(q1_4));
    let value5 = subgroupBroadcast(own0, 5u);
    part0 += dot(value5, stored(q0_5));
    part1 += dot(value5, stored(q1_5));
    let value6 = subgroupBroadcast(own0, 6u);
    part0 += dot(value6, stored(q0_6));
    part1 += dot(value6, stored(q1_6));
    let value7 = subgroupBroadcast(own0, 7u);
    part0 += dot(value7, stored(q0_7));
    part1 += dot(value7, stored(q1_7));
    sum0 += part0 * scaleOf_w0(w0_start, blocks, b);
    sum1 += part1 * scaleOf_w1(w1_start, blocks, b);
  }

  if (first + lane < tiles) {
    storeGate(sum0, sum1, tile * 1u + 0u);
  }
}
