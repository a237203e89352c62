struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<u32>>;
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
  let pair = weight[at / 4u][at % 4u];
  // bfloat16 is the high half of an f32.
  return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
}

var<workgroup> partial: array<vec4f, 64>;

fn sumOfThreads(value: vec4f, thread: u32) -> vec4f {
  partial[thread] = value;
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (thread < stride) { partial[thread] += partial[thread + stride]; }
  }
  workgroupBarrier();
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

fn store(sum: f32, row: u32, column: u32) {
  let at = (row * params.n + column) / 1u;
  let biased = sum;
  let activated = biased;
  y[at] = f32(activated);
}

const WORKGROUP_SIZE = 64u;
const ROWS = 1u;
const COLUMNS = 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,

) {
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * ROWS;
  let firstColumn = (tile / rowTiles) * COLUMNS;
  if (firstColumn >= params.n) { return; }
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let x0 = min(firstRow + 0u, params.m - 1u) * steps;
  let w0 = rowStart(min(firstColumn + 0u, params.n - 1u), params.k);
  let w1 = rowStart(min(firstColumn + 1u, params.n - 1u), params.k);
  let w2 = rowStart(min(firstColumn + 2u, params.n - 1u), params.k);
  let w3 = rowStart(min(firstColumn + 3u, params.n - 1u), params.k);

  var sums0 = vec4f(0.0);
  for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {
    let b = unit * 4u / BLOCK_WORDS;
    let scales = vec4f(scaleOf(w0, blocks, b), scaleOf(w1, blocks, b), scaleOf(w2, blocks, b), scaleOf(w3, blocks, b));
    let q0 = weight[w0 / 4u + unit];
    let q1 = weight[w1 / 4u + unit];
    let q2 = weight[w2 / 4u + unit];
    let q3 = weight[w3 / 4u + unit];
    var part0 = vec4f(0.0);
    var total0 = vec4f(0.0);
    {
      let columns = mat4x4f(stored(q0[0]), stored(q1[0]), stored(q2[0]), stored(q3[0]));
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(unit * 4u + 0u, steps - 1u);
      let value0 = vec4f(x[x0 + k]);
      part0 += (value0 * PLACES) * columns;
      total0 += value0;
    }
    {
      let columns = mat4x4f(stored(q0[1]), stored(q1[1]), stored(q2[1]), stored(q3[1]));
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(unit * 4u + 1u, steps - 1u);
      let value0 = vec4f(x[x0 + k]);
      part0 += (value0 * PLACES) * columns;
      total0 += value0;
    }
    {
      let columns = mat4x4f(stored(q0[2]), stored(q1[2]), stored(q2[2]), stored(q3[2]));
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(unit * 4u + 2u, steps - 1u);
      let value0 = vec4f(x[x0 + k]);
      part0 += (value0 * PLACES) * columns;
      total0 += value0;
    }
    {
      let columns = mat4x4f(stored(q0[3]), stored(q1[3]), stored(q2[3]), stored(q3[3]));
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(unit * 4u + 3u, steps - 1u);
      let value0 = vec4f(x[x0 + k]);
      part0 += (value0 * PLACES) * columns;
      total0 += value0;
    }
    sums0 += (part0 - ZERO * dot(total0, vec4f(1.0))) * scales;
  }
  sums0 = sumOfThreads(sums0, thread);
  if (thread < COLUMNS && firstRow + 0u < params.m && firstColumn + thread < params.n) {
    store(sums0[thread], firstRow + 0u, firstColumn + thread);
  }
}
