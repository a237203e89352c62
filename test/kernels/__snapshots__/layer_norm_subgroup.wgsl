enable subgroups;

struct Params {
  rows: u32,
  cols: u32,
  eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

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
  let cols = f32(params.cols);

  // Of each row what sums are counted from, the mean above that, and the factor.
  var moments: array<vec3f, ROWS>;
  for (var r = 0u; r < count; r++) {
    let start = (firstRow + r) * vectors;
    let near = start + min(lane, vectors - 1u);
    let nearby = vec4f(x[near]);
    let base = subgroupAdd(dot(nearby, vec4f(0.25 / f32(LANES))));
    var total = vec4f(0.0);
    var squares = vec4f(0.0);
    for (var c = lane; c < vectors; c += LANES) {
      let i = start + c;
      let value = vec4f(x[i]);
      let away = value - base;
      total += away;
      squares += away * away;
    }
    let mean = subgroupAdd(dot(total, vec4f(1.0))) / cols;
    let variance = subgroupAdd(dot(squares, vec4f(1.0))) / cols - mean * mean;
    moments[r] = vec3f(base, mean, inverseSqrt(max(variance, 0.0) + params.eps));
  }

  for (var c = lane; c < vectors; c += LANES) {
    let factor = vec4f(weight[c]);
    let offset = vec4f(bias[c]);
    if (0u < count) {
      let i = (firstRow + 0u) * vectors + c;
      let normed = (vec4f(x[i]) - moments[0].x - moments[0].y) * moments[0].z * factor;
      y[i] = vec4<f32>(normed + offset);
    }
    if (1u < count) {
      let i = (firstRow + 1u) * vectors + c;
      let normed = (vec4f(x[i]) - moments[1].x - moments[1].y) * moments[1].z * factor;
      y[i] = vec4<f32>(normed + offset);
    }
  }
}
