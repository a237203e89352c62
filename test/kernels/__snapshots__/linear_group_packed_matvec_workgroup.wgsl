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
@group(0) @binding(2) var<storage, read> w0: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> w1: array<vec4<u32>>;
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
      let pair = w0[at / 4u][at % 4u];
      // bfloat16 is the high half of an f32.
      return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
    }

fn scaleOf_w1(start: u32, blocks: u32, b: u32) -> f32 {
      let at = start + blocks * BLOCK_WORDS + b / 2u;
      let pair = w1[at / 4u][at % 4u];
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

fn sigmoid(x: f32) -> f32 {
  return 1.0 / (1.0 + exp(-x));
}

fn silu(x: f32) -> f32 {
  return x * sigmoid(x);
}

fn storeGate(gate: f32, up: f32, row: u32) {
  y[row] = f32(silu(gate) * (up));
}

const WORKGROUP_SIZE = 64u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,

) {
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  if (tile * 1u >= params.tiles) { return; }
  let steps = params.k / 4u;
  let blocks = rowBlocks(params.k);
  let w0_start = rowStart(tile * 1u + 0u, params.k);
  let w1_start = rowStart(tile * 1u + 0u, params.k);

  var sum0 = 0.0;
  var sum1 = 0.0;
  for (var unit = thread; unit < blocks * BLOCK_WORDS / 4u; unit += WORKGROUP_SIZE) {
    let b = unit * 4u / BLOCK_WORDS;
    let q0 = w0[w0_start / 4u + unit];
    let q1 = w1[w1_start / 4u + unit];
    var part0 = 0.0;
    var part1 = 0.0;
    var zero = vec4f();
    {
      let at = unit * 4u + 0u;
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(at, steps - 1u);
      let raw = vec4f(x[k]);
      let value = raw;
      zero += value;
      let placed = value * PLACES;
      part0 += dot(placed, stored(q0[0]));
      part1 += dot(placed, stored(q1[0]));
    }
    {
      let at = unit * 4u + 1u;
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(at, steps - 1u);
      let raw = vec4f(x[k]);
      let value = raw;
      zero += value;
      let placed = value * PLACES;
      part0 += dot(placed, stored(q0[1]));
      part1 += dot(placed, stored(q1[1]));
    }
    {
      let at = unit * 4u + 2u;
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(at, steps - 1u);
      let raw = vec4f(x[k]);
      let value = raw;
      zero += value;
      let placed = value * PLACES;
      part0 += dot(placed, stored(q0[2]));
      part1 += dot(placed, stored(q1[2]));
    }
    {
      let at = unit * 4u + 3u;
      // Past the end of a row the last vector stands in: the weight is zero there.
      let k = min(at, steps - 1u);
      let raw = vec4f(x[k]);
      let value = raw;
      zero += value;
      let placed = value * PLACES;
      part0 += dot(placed, stored(q0[3]));
      part1 += dot(placed, stored(q1[3]));
    }
    let taken = ZERO * dot(zero, vec4f(1.0));
    sum0 += (part0 - taken) * scaleOf_w0(w0_start, blocks, b);
    sum1 += (part1 - taken) * scaleOf_w1(w1_start, blocks, b);
  }
  let totals0 = sumOfThreads(vec4f(sum0, sum1, 0.0, 0.0), thread);

  if (thread == 0u) { storeGate(totals0[0], totals0[1], tile * 1u + 0u); }
}
