struct Params {
  count: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> sum: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> keep: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

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

  // No product with 0, which of what is not finite would be NaN.
  if (keep[0] == 0.0) { sum[i] = x[i]; } else { sum[i] += x[i]; }
}
