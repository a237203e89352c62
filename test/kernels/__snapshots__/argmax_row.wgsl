struct Params {
  rows: u32,
  cols: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

var<workgroup> argmaxValues: array<f32, 32>;
var<workgroup> argmaxIndices: array<u32, 32>;

fn workgroupArgmax(value: f32, index: u32, thread: u32) -> u32 {
  argmaxValues[thread] = value;
  argmaxIndices[thread] = index;
  workgroupBarrier();
  for (var stride = 16u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let otherValue = argmaxValues[thread + stride];
      let otherIndex = argmaxIndices[thread + stride];
      let ties = otherValue == argmaxValues[thread] && otherIndex < argmaxIndices[thread];
      if (otherValue > argmaxValues[thread] || ties) {
        argmaxValues[thread] = otherValue;
        argmaxIndices[thread] = otherIndex;
      }
    }
    workgroupBarrier();
  }
  let result = argmaxIndices[0];
  workgroupBarrier();
  return result;
}

const WORKGROUP_SIZE = 32u;
const LOWEST = -3.4028234e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }

  // A thread without columns offers one that loses every tie.
  var best = LOWEST;
  var bestColumn = max(thread, params.cols);
  for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
    let value = max(f32(x[row * params.cols + c]), LOWEST);
    if (value > best || c == thread) {
      best = value;
      bestColumn = c;
    }
  }
  let column = workgroupArgmax(best, bestColumn, thread);
  if (thread == 0u) { y[row] = column; }
}
