enable subgroups;

struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

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

fn addProduct(sum: vec4f, steps: mat4x4f, value: vec4f) -> vec4f {
  let two = fma(steps[1], vec4f(value.y), fma(steps[0], vec4f(value.x), sum));
  return fma(steps[3], vec4f(value.w), fma(steps[2], vec4f(value.z), two));
}

fn store(sum: vec4f, row: u32, column: u32) {
  let at = (row * params.n + column) / 4u;
  let biased = sum;
  let activated = biased;
  y[at] = vec4<f32>(activated);
}

const LANES = 8u;
const ROWS = 16u;
// Of a lane, each of 4 columns, LANES vectors apart.
const LANE_VECTORS = 1u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * ROWS;
  let firstColumn = (tile / rowTiles) * LANES * LANE_VECTORS * 4u;
  if (firstColumn >= params.n) { return; }
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let x0 = min(firstRow + 0u + lane, params.m - 1u) * steps;
  let x1 = min(firstRow + 8u + lane, params.m - 1u) * steps;
  let column0 = firstColumn + (0u * LANES + lane) * 4u;
  let w0_0 = rowStart(min(column0, params.n - 4u) + 0u, params.k);
  let w0_1 = rowStart(min(column0, params.n - 4u) + 1u, params.k);
  let w0_2 = rowStart(min(column0, params.n - 4u) + 2u, params.k);
  let w0_3 = rowStart(min(column0, params.n - 4u) + 3u, params.k);

  var sum0_0 = vec4f(0.0);
  var sum1_0 = vec4f(0.0);
  var sum2_0 = vec4f(0.0);
  var sum3_0 = vec4f(0.0);
  var sum4_0 = vec4f(0.0);
  var sum5_0 = vec4f(0.0);
  var sum6_0 = vec4f(0.0);
  var sum7_0 = vec4f(0.0);
  var sum8_0 = vec4f(0.0);
  var sum9_0 = vec4f(0.0);
  var sum10_0 = vec4f(0.0);
  var sum11_0 = vec4f(0.0);
  var sum12_0 = vec4f(0.0);
  var sum13_0 = vec4f(0.0);
  var sum14_0 = vec4f(0.0);
  var sum15_0 = vec4f(0.0);
  for (var b = 0u; b < blocks; b++) {
    let scale0_0 = scaleOf(w0_0, blocks, b);
    let scale0_1 = scaleOf(w0_1, blocks, b);
    let scale0_2 = scaleOf(w0_2, blocks, b);
    let scale0_3 = scaleOf(w0_3, blocks, b);
    // One vector a turn, though a q4 word holds two: with the sums of 16 rows more code runs out of registers.
    for (var step = 8u * b; step < 8u * (b + 1u); step++) {
      let shift = 4u * (step % VECTORS);
      let columns0 = transpose(mat4x4f(
        stored(weight[w0_0 + step / VECTORS] >> shift) * (scale0_0 * PLACES) - scale0_0 * ZERO,
        stored(weight[w0_1 + step / VECTORS] >> shift) * (scale0_1 * PLACES) - scale0_1 * ZERO,
        stored(weight[w0_2 + step / VECTORS] >> shift) * (scale0_2 * PLACES) - scale0_2 * ZERO,
        stored(weight[w0_3 + step / VECTORS] >> shift) * (scale0_3 * PLACES) - scale0_3 * ZERO,
      ));
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(step, steps - 1u);
      let own0 = vec4f(x[x0 + k]);
      let own1 = vec4f(x[x1 + k]);
      let value0 = subgroupBroadcast(own0, 0u);
      sum0_0 = addProduct(sum0_0, columns0, value0);
      let value1 = subgroupBroadcast(own0, 1u);
      sum1_0 = addProduct(sum1_0, columns0, value1);
      let value2 = subgroupBroadcast(own0, 2u);
      sum2_0 = addProduct(sum2_0, columns0, value2);
      let value3 = subgroupBroadcast(own0, 3u);
      sum3_0 = addProduct(sum3_0, columns0, value3);
      let value4 = subgroupBroadcast(own0, 4u);
      sum4_0 = addProduct(sum4_0, columns0, value4);
      let value5 = subgroupBroadcast(own0, 5u);
      sum5_0 = addProduct(sum5_0, columns0, value5);
      let value6 = subgroupBroadcast(own0, 6u);
      sum6_0 = addProduct(sum6_0, columns0, value6);
      let value7 = subgroupBroadcast(own0, 7u);
      sum7_0 = addProduct(sum7_0, columns0, value7);
      let value8 = subgroupBroadcast(own1, 0u);
      sum8_0 = addProduct(sum8_0, columns0, value8);
      let value9 = subgroupBroadcast(own1, 1u);
      sum9_0 = addProduct(sum9_0, columns0, value9);
      let value10 = subgroupBroadcast(own1, 2u);
      sum10_0 = addProduct(sum10_0, columns0, value10);
      let value11 = subgroupBroadcast(own1, 3u);
      sum11_0 = addProduct(sum11_0, columns0, value11);
      let value12 = subgroupBroadcast(own1, 4u);
      sum12_0 = addProduct(sum12_0, columns0, value12);
      let value13 = subgroupBroadcast(own1, 5u);
      sum13_0 = addProduct(sum13_0, columns0, value13);
      let value14 = subgroupBroadcast(own1, 6u);
      sum14_0 = addProduct(sum14_0, columns0, value14);
      let value15 = subgroupBroadcast(own1, 7u);
      sum15_0 = addProduct(sum15_0, columns0, value15);
    }
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    if (column0 < params.n) { store(sum0_0, row, column0); }
    sum0_0 = sum1_0;
    sum1_0 = sum2_0;
    sum2_0 = sum3_0;
    sum3_0 = sum4_0;
    sum4_0 = sum5_0;
    sum5_0 = sum6_0;
    sum6_0 = sum7_0;
    sum7_0 = sum8_0;
    sum8_0 = sum9_0;
    sum9_0 = sum10_0;
    sum10_0 = sum11_0;
    sum11_0 = sum12_0;
    sum12_0 = sum13_0;
    sum13_0 = sum14_0;
    sum14_0 = sum15_0;
  }
}
