struct Params {
  rows: u32,
  cols: u32,
  eps: f32,
  offset: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read_write> sum: array<f32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

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
  let start = row * params.cols;

  var squares = 0.0;
  for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
    let i = start + c;
    sum[i] = f32(f32(x[i]) + f32(residual[i]));
    let value = f32(sum[i]);
    squares += value * value;
  }
  let scale = inverseSqrt(workgroupSum(squares, thread) / f32(params.cols) + params.eps);

  for (var c = thread; c < params.cols; c += WORKGROUP_SIZE) {
    let i = start + c;
    y[i] = f32(f32(sum[i]) * scale * (params.offset + f32(weight[c])));
  }
}
