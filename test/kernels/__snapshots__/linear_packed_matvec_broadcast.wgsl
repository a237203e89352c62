enable subgroups;

struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<u32>>;
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
  let pair = weight[at / 4u][at % 4u];
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
const ROWS = 1u;

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
  let x0 = min(firstRow + 0u, params.m - 1u) * steps;
  let w0 = rowStart(min(column, params.n - 4u) + 0u, params.k);
  let w1 = rowStart(min(column, params.n - 4u) + 1u, params.k);
  let w2 = rowStart(min(column, params.n - 4u) + 2u, params.k);
  let w3 = rowStart(min(column, params.n - 4u) + 3u, params.k);

  var sum0 = vec4f(0.0);
  for (var b = 0u; b < blocks; b++) {
    let scales = vec4f(scaleOf(w0, blocks, b), scaleOf(w1, blocks, b), scaleOf(w2, blocks, b), scaleOf(w3, blocks, b));
    let q0_0 = weight[w0 / 4u + b * (BLOCK_WORDS / 4u) + 0u];
    let q1_0 = weight[w1 / 4u + b * (BLOCK_WORDS / 4u) + 0u];
    let q2_0 = weight[w2 / 4u + b * (BLOCK_WORDS / 4u) + 0u];
    let q3_0 = weight[w3 / 4u + b * (BLOCK_WORDS / 4u) + 0u];
    let q0_1 = weight[w0 / 4u + b * (BLOCK_WORDS / 4u) + 1u];
    let q1_1 = weight[w1 / 4u + b * (BLOCK_WORDS / 4u) + 1u];
    let q2_1 = weight[w2 / 4u + b * (BLOCK_WORDS / 4u) + 1u];
    let q3_1 = weight[w3 / 4u + b * (BLOCK_WORDS / 4u) + 1u];
    // Past the end of a row the last vector stands in: the weight is zero there.
    let x0_0 = vec4f(x[x0 + min(8u * b + 0u * LANES + lane, steps - 1u)]);
    let own0_0 = x0_0 * PLACES;
    var part0 = vec4f(-ZERO * subgroupAdd(dot(x0_0, vec4f(1.0))));
    {
      let columns0 = mat4x4f(stored(q0_0[0]), stored(q1_0[0]), stored(q2_0[0]), stored(q3_0[0]));
      part0 += subgroupBroadcast(own0_0, 0u) * columns0;
      let columns1 = mat4x4f(stored(q0_0[1]), stored(q1_0[1]), stored(q2_0[1]), stored(q3_0[1]));
      part0 += subgroupBroadcast(own0_0, 1u) * columns1;
      let columns2 = mat4x4f(stored(q0_0[2]), stored(q1_0[2]), stored(q2_0[2]), stored(q3_0[2]));
      part0 += subgroupBroadcast(own0_0, 2u) * columns2;
      let columns3 = mat4x4f(stored(q0_0[3]), stored(q1_0[3]), stored(q2_0[3]), stored(q3_0[3]));
      part0 += subgroupBroadcast(own0_0, 3u) * columns3;
      let columns4 = mat4x4f(stored(q0_1[0]), stored(q1_1[0]), stored(q2_1[0]), stored(q3_1[0]));
      part0 += subgroupBroadcast(own0_0, 4u) * columns4;
      let columns5 = mat4x4f(stored(q0_1[1]), stored(q1_1[1]), stored(q2_1[1]), stored(q3_1[1]));
      part0 += subgroupBroadcast(own0_0, 5u) * columns5;
      let columns6 = mat4x4f(stored(q0_1[2]), stored(q1_1[2]), stored(q2_1[2]), stored(q3_1[2]));
      part0 += subgroupBroadcast(own0_0, 6u) * columns6;
      let columns7 = mat4x4f(stored(q0_1[3]), stored(q1_1[3]), stored(q2_1[3]), stored(q3_1[3]));
      part0 += subgroupBroadcast(own0_0, 7u) * columns7;
    }
    sum0 += part0 * scales;
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    if (column < params.n) { store(sum0, row, column); }

  }
}
