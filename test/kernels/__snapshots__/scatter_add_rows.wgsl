struct Params {
  rows: u32,
  channels: u32,
  count: u32,
  rowOffset: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const WORKGROUP_SIZE = 64u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }
  // An index below 0 is a huge one when unsigned.
  let wanted = row + params.rowOffset;
  for (var c = thread; c < params.channels; c += WORKGROUP_SIZE) {
    var sum = 0.0;
    for (var i = 0u; i < params.count; i++) {
      if (u32(index[i]) == wanted) { sum += f32(x[i * params.channels + c]); }
    }
    y[row * params.channels + c] = sum;
  }
}
