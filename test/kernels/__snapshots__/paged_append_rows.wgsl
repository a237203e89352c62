struct Params {
  count: u32,
  tokens: u32,
  width: u32,
  pageSize: u32,
  pagesPerRow: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> cache: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> past: array<u32>;
@group(0) @binding(4) var<storage, read> pages: array<u32>;

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
  let index = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
  if (index >= params.count) { return; }
  let row = index / params.width;
  let batch = row / params.tokens;
  let place = past[batch] + row % params.tokens;
  if (place >= params.pagesPerRow * params.pageSize) { return; }
  let page = pages[batch * params.pagesPerRow + place / params.pageSize];
  let slot = page * params.pageSize + place % params.pageSize;
  cache[slot * params.width + index % params.width] = f32(x[index]);
}
