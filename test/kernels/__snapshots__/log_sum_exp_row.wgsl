struct Params {
  rows: u32,
  cols: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

var<workgroup> workgroupMaxScratch: array<f32, 8>;

fn workgroupMax(value: f32, thread: u32) -> f32 {
  workgroupMaxScratch[thread] = value;
  workgroupBarrier();
  for (var stride = 4u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let a = workgroupMaxScratch[thread];
      let b = workgroupMaxScratch[thread + stride];
      workgroupMaxScratch[thread] = max(a, b);
    }
    workgroupBarrier();
  }
  let result = workgroupMaxScratch[0];
  workgroupBarrier();
  return result;
}

var<workgroup> workgroupSumScratch: array<f32, 8>;

fn workgroupSum(value: f32, thread: u32) -> f32 {
  workgroupSumScratch[thread] = value;
  workgroupBarrier();
  for (var stride = 4u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let a = workgroupSumScratch[thread];
      let b = workgroupSumScratch[thread + stride];
      workgroupSumScratch[thread] = a + b;
    }
    workgroupBarrier();
  }
  let result = workgroupSumScratch[0];
  workgroupBarrier();
  return result;
}

const WORKGROUP_SIZE = 8u;
const LOWEST = -3.4028234e38;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }

  var runningMax = LOWEST;
  var runningSum = 0.0;
  for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
    let value = f32(x[row * params.cols + c]);
    let newMax = max(runningMax, value);
    runningSum = runningSum * exp(runningMax - newMax) + exp(value - newMax);
    runningMax = newMax;
  }
  let rowMax = workgroupMax(runningMax, thread);
  let rowSum = workgroupSum(runningSum * exp(runningMax - rowMax), thread);
  if (thread == 0u) { y[row] = rowMax + log(rowSum); }
}
