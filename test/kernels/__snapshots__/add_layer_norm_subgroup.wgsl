enable subgroups;

struct Params {
  rows: u32,
  cols: u32,
  eps: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

struct Moments { mean: f32, scale: f32 }

fn momentsOfRow(mean: vec4f, squares: vec4f, count: f32) -> Moments {
  let cols = f32(params.cols);
  let rowMean = subgroupAdd(dot(mean, vec4f(count))) / cols;
  let away = mean - rowMean;
  let total = subgroupAdd(dot(squares + count * away * away, vec4f(1.0)));
  return Moments(rowMean, inverseSqrt(total / cols + params.eps));
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

  let base = f32(x[start].x) + f32(residual[start].x);
  var mean = vec4f(0.0);
  var squares = vec4f(0.0);
  var count = 0.0;
  for (var c = lane; c < vectors; c += LANES) {
    let i = start + c;
    let added = vec4<f32>(vec4f(x[i]) + vec4f(residual[i]));
    sum[i] = added;
    let value = vec4f(added);
    let away = value - base - mean;
    count += 1.0;
    mean += away / count;
    squares += away * (value - base - mean);
  }
  let moments = momentsOfRow(mean, squares, count);

  for (var c = lane; c < vectors; c += LANES) {
    let i = start + c;
    let normed = (vec4f(sum[i]) - base - moments.mean) * moments.scale * vec4f(weight[c]);
    y[i] = vec4<f32>(normed + vec4f(bias[c]));
  }
}
