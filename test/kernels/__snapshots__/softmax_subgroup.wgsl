enable subgroups;

struct Params {
  rows: u32,
  cols: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const LANES = 8u;
// Finite, so that a wholly masked row gives exp(0) * 0 rather than NaN.
const LOWEST = -3.4028234e38;

fn largest(value: f32) -> f32 {
  return value;
}

fn total(value: f32) -> f32 {
  return value;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }
  let vectors = params.cols / 1u;
  let start = row * vectors;

  var laneMax = LOWEST;
  var laneSum = 0.0;
  for (var c = lane; c < vectors; c += LANES) {
    let value = max(f32(x[start + c]), f32(LOWEST));
    let newMax = max(laneMax, largest(value));
    laneSum = laneSum * exp(laneMax - newMax) + total(exp(value - newMax));
    laneMax = newMax;
  }
  let rowMax = subgroupMax(laneMax);
  let scale = 1.0 / subgroupAdd(laneSum * exp(laneMax - rowMax));

  for (var c = lane; c < vectors; c += LANES) {
    y[start + c] = f32(exp(f32(x[start + c]) - rowMax) * scale);
  }
}
