struct Params {
  count: u32,
  channels: u32,
  height: u32,
  width: u32,
  patchSize: u32,
  patchRows: u32,
  patchColumns: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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

  let p = params.patchSize;
  let px = i % p;
  let py = i / p % p;
  let channel = i / (p * p) % params.channels;
  let cell = i / (p * p * params.channels);

  let patchX = cell % params.patchColumns;
  let patchY = cell / params.patchColumns % params.patchRows;
  let picture = cell / (params.patchColumns * params.patchRows);

  let row = (picture * params.channels + channel) * params.height + patchY * p + py;
  y[i] = x[row * params.width + patchX * p + px];
}
