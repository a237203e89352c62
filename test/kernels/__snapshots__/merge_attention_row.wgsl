struct Params {
  count: u32,
  rows: u32,
  headDim: u32,
  parts: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> stats: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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

  let row = i / params.headDim;
  var most = -3.0e38;
  for (var part = 0u; part < params.parts; part++) {
    let at = 2u * (part * params.rows + row);
    if (stats[at + 1u] > 0.0) { most = max(most, stats[at]); }
  }
  var total = 0.0;
  var sum = 0.0;
  for (var part = 0u; part < params.parts; part++) {
    let at = part * params.rows + row;
    // An empty part has a sum of 0; its maximum means nothing.
    let shrink = select(0.0, exp(stats[2u * at] - most), stats[2u * at + 1u] > 0.0);
    sum += stats[2u * at + 1u] * shrink;
    total += parts[at * params.headDim + i % params.headDim] * shrink;
  }
  y[i] = f32(select(0.0, total / sum, sum > 0.0));
}
