struct Params {
  count: u32,
  height: u32,
  width: u32,
  outHeight: u32,
  outWidth: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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

  let column = i % params.outWidth;
  let row = i / params.outWidth % params.outHeight;
  let plane = i / (params.outWidth * params.outHeight);
  let top = row * params.height / params.outHeight;
  let bottom = ((row + 1u) * params.height + params.outHeight - 1u) / params.outHeight;
  let left = column * params.width / params.outWidth;
  let right = ((column + 1u) * params.width + params.outWidth - 1u) / params.outWidth;

  var sum = 0.0;
  for (var r = top; r < bottom; r++) {
    for (var c = left; c < right; c++) {
      sum += f32(x[(plane * params.height + r) * params.width + c]);
    }
  }
  y[i] = f32(sum / f32((bottom - top) * (right - left)));
}
