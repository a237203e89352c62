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

// Of the neighbours at -1, 0, 1 and 2 from a point t beyond the second.
fn tapWeights(t: f32) -> vec4f {
  return vec4f(0.0, 1.0 - t, t, 0.0);
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

  let sourceY = (f32(row) + 0.5) * f32(params.height) / f32(params.outHeight) - 0.5;
  let sourceX = (f32(column) + 0.5) * f32(params.width) / f32(params.outWidth) - 0.5;
  let weightsY = tapWeights(sourceY - floor(sourceY));
  let weightsX = tapWeights(sourceX - floor(sourceX));

  var sum = 0.0;
  for (var dy = 0; dy < 4; dy++) {
    let r = u32(clamp(i32(floor(sourceY)) + dy - 1, 0, i32(params.height) - 1));
    for (var dx = 0; dx < 4; dx++) {
      let c = u32(clamp(i32(floor(sourceX)) + dx - 1, 0, i32(params.width) - 1));
      sum += weightsY[dy] * weightsX[dx] * f32(x[(plane * params.height + r) * params.width + c]);
    }
  }
  y[i] = f32(sum);
}
