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
@group(0) @binding(2) var<storage, read> w0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> w1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn sumOfThreads(value: vec4f, thread: u32) -> vec4f {
  return subgroupAdd(value);
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

const WORKGROUP_SIZE = 8u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,

) {
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  if (tile * 1u >= params.tiles) { return; }
  let steps = params.k / 4u;
  let w0_start = (tile * 1u + 0u) * steps;
  let w1_start = (tile * 1u + 0u) * steps;

  var sum0 = 0.0;
  var sum1 = 0.0;
  for (var k = thread; k < steps; k += WORKGROUP_SIZE) {
    let value = vec4f(x[k]);
    sum0 += dot(value, vec4f(w0[w0_start + k]));
    sum1 += dot(value, vec4f(w1[w1_start + k]));
  }
  let totals0 = sumOfThreads(vec4f(sum0, sum1, 0.0, 0.0), thread);

  if (thread == 0u) { storeGate(totals0[0], totals0[1], tile * 1u + 0u); }
}
