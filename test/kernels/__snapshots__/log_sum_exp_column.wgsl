struct Params {
  count: u32,
  length: u32,
  inner: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const LOWEST = -3.4028234e38;
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

  var runningMax = LOWEST;
  var runningSum = 0.0;
  var at = i / params.inner * params.length * params.inner + i % params.inner;
  for (var row = 0u; row < params.length; row++) {
    let value = f32(x[at]);
    let newMax = max(runningMax, value);
    runningSum = runningSum * exp(runningMax - newMax) + exp(value - newMax);
    runningMax = newMax;
    at += params.inner;
  }
  y[i] = runningMax + log(runningSum);
}
