struct Params {
  rows: u32,
  cols: u32,
  factor: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
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

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }

  var value = 0.0;
  for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
    value = value + f32(x[row * params.cols + c]);
  }
  value = workgroupSum(value, thread) * params.factor;
  if (thread == 0u) { y[row] = f32(value); }
}
