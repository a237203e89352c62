enable subgroups;

struct Params {
  rows: u32,
  cols: u32,
  eps: f32,
  offset: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const LANES = 8u;
const ROWS = 2u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let firstRow = workgroupIndex(workgroupId, numWorkgroups) * ROWS;
  if (firstRow >= params.rows) { return; }
  let count = min(ROWS, params.rows - firstRow);
  let vectors = params.cols / 4u;

  var scales: array<f32, ROWS>;
  for (var r = 0u; r < count; r++) {
    var squares = vec4f(0.0);
    for (var c = lane; c < vectors; c += LANES) {
      let i = (firstRow + r) * vectors + c;
      let value = vec4f(x[i]);
      squares += value * value;
    }
    let total = subgroupAdd(dot(squares, vec4f(1.0)));
    scales[r] = inverseSqrt(total / f32(params.cols) + params.eps);
  }

  for (var c = lane; c < vectors; c += LANES) {
    let factor = params.offset + vec4f(weight[c]);
    if (0u < count) {
      let i = (firstRow + 0u) * vectors + c;
      y[i] = vec4<f32>(vec4f(x[i]) * scales[0] * factor);
    }
    if (1u < count) {
      let i = (firstRow + 1u) * vectors + c;
      y[i] = vec4<f32>(vec4f(x[i]) * scales[1] * factor);
    }
  }
}
