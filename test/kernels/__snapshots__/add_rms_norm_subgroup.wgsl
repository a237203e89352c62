enable subgroups;

struct Params {
  rows: u32,
  cols: u32,
  eps: f32,
  offset: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const LANES = 8u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }
  let vectors = params.cols / 4u;
  let start = row * vectors;

  var squares = 0.0;
  for (var c = lane; c < vectors; c += LANES) {
    let i = start + c;
    let added = vec4<f32>(vec4f(x[i]) + vec4f(residual[i]));
    sum[i] = added;
    let value = vec4f(added);
    squares += dot(value, value);
  }
  let scale = inverseSqrt(subgroupAdd(squares) / f32(params.cols) + params.eps);

  for (var c = lane; c < vectors; c += LANES) {
    let i = start + c;
    y[i] = vec4<f32>(vec4f(sum[i]) * scale * (params.offset + vec4f(weight[c])));
  }
}
