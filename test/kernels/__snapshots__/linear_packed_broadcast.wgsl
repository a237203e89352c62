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

fn store(sum: vec4f, row: u32, column: u32) {
  let at = (row * params.n + column) / 4u;
  let biased = sum;
  let activated = biased;
  y[at] = vec4<f32>(activated);
}

const LANES = 8u;
const ROWS = 16u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * ROWS;
  let firstColumn = (tile / rowTiles) * LANES * 4u;
  if (firstColumn >= params.n) { return; }
  let column = firstColumn + lane * 4u;
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let x0 = min(firstRow + 0u + lane, params.m - 1u) * steps;
  let x1 = min(firstRow + 8u + lane, params.m - 1u) * steps;
  let w0 = rowStart(min(column, params.n - 4u) + 0u, params.k);
  let w1 = rowStart(min(column, params.n - 4u) + 1u, params.k);
  let w2 = rowStart(min(column, params.n - 4u) + 2u, params.k);
  let w3 = rowStart(min(column, params.n - 4u) + 3u, params.k);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  var sum7 = vec4f(0.0);
  var sum8 = vec4f(0.0);
  var sum9 = vec4f(0.0);
  var sum10 = vec4f(0.0);
  var sum11 = vec4f(0.0);
  var sum12 = vec4f(0.0);
  var sum13 = vec4f(0.0);
  var sum14 = vec4f(0.0);
  var sum15 = vec4f(0.0);
  for (var b = 0u; b < blocks; b++) {
    let scale0 = scaleOf(w0, blocks, b);
    let scale1 = scaleOf(w1, blocks, b);
    let scale2 = scaleOf(w2, blocks, b);
    let scale3 = scaleOf(w3, blocks, b);
    // One vector a turn, though a q4 word holds two: with the sums of 16 rows more code runs out of registers.
    for (var step = 8u * b; step < 8u * (b + 1u); step++) {
      let shift = 4u * (step % VECTORS);
      let columns = mat4x4f(
        stored(weight[w0 + step / VECTORS] >> shift) * (scale0 * PLACES) - scale0 * ZERO,
        stored(weight[w1 + step / VECTORS] >> shift) * (scale1 * PLACES) - scale1 * ZERO,
        stored(weight[w2 + step / VECTORS] >> shift) * (scale2 * PLACES) - scale2 * ZERO,
        stored(weight[w3 + step / VECTORS] >> shift) * (scale3 * PLACES) - scale3 * ZERO,
      );
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(step, steps - 1u);
      let own0 = vec4f(x[x0 + k]);
      let own1 = vec4f(x[x1 + k]);
      sum0 += subgroupBroadcast(own0, 0u) * columns;
      sum1 += subgroupBroadcast(own0, 1u) * columns;
      sum2 += subgroupBroadcast(own0, 2u) * columns;
      sum3 += subgroupBroadcast(own0, 3u) * columns;
      sum4 += subgroupBroadcast(own0, 4u) * columns;
      sum5 += subgroupBroadcast(own0, 5u) * columns;
      sum6 += subgroupBroadcast(own0, 6u) * columns;
      sum7 += subgroupBroadcast(own0, 7u) * columns;
      sum8 += subgroupBroadcast(own1, 0u) * columns;
      sum9 += subgroupBroadcast(own1, 1u) * columns;
      sum10 += subgroupBroadcast(own1, 2u) * columns;
      sum11 += subgroupBroadcast(own1, 3u) * columns;
      sum12 += subgroupBroadcast(own1, 4u) * columns;
      sum13 += subgroupBroadcast(own1, 5u) * columns;
      sum14 += subgroupBroadcast(own1, 6u) * columns;
      sum15 += subgroupBroadcast(own1, 7u) * columns;
    }
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    if (column < params.n) { store(sum0, row, column); }
    sum0 = sum1;
    sum1 = sum2;
    sum2 = sum3;
    sum3 = sum4;
    sum4 = sum5;
    sum5 = sum6;
    sum6 = sum7;
    sum7 = sum8;
    sum8 = sum9;
    sum9 = sum10;
    sum10 = sum11;
    sum11 = sum12;
    sum12 = sum13;
    sum13 = sum14;
    sum14 = sum15;
  }
}
