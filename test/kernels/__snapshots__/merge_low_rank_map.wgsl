struct Params {
  count: u32,
  columns: u32,
  rank: u32,
  firstRow: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> left: array<f32>;
@group(0) @binding(3) var<storage, read> right: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn loadElement(i: u32) -> f32 {
  return bitcast<f32>(words[i]);
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

  let columns = params.columns / LANES;
  let start = (params.firstRow + i / columns) * params.rank;
  var sum = f32(loadElement(LANES * i + 0u));
  for (var r = 0u; r < params.rank; r++) {
    sum += left[start + r] * right[r * columns + i % columns];
  }
  y[i] = sum;
}
