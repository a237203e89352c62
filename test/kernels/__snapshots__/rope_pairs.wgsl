struct Params {
  rows: u32,
  heads: u32,
  headDim: u32,
  half: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> cos: array<f32>;
@group(0) @binding(3) var<storage, read> sin: array<f32>;
@group(0) @binding(4) var<storage, read> positions: array<u32>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

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
  // Per row: half pairs that turn, then the dims that pass through, one thread each.
  let perRow = params.headDim - params.half;
  let index = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
  let row = index / perRow;
  if (row >= params.rows) { return; }
  let i = index % perRow;
  let start = row * params.headDim;
  if (i >= params.half) {
    y[start + params.half + i] = f32(x[start + params.half + i]);
    return;
  }
  let entry = positions[row / params.heads] * params.half + i;
  let first = start + i;
  let second = first + params.half;
  let a = f32(x[first]);
  let b = f32(x[second]);
  y[first] = f32(a * cos[entry] - b * sin[entry]);
  y[second] = f32(b * cos[entry] + a * sin[entry]);
}
