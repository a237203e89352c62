struct Params {
  count: u32,
  momentum: f32,
  weightDecay: f32,
  nesterov: u32,
  largest: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> velocity: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read> control: array<f32>;

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

  let factor = control[3];
  if (factor == 0.0) { return; }
  let p = parameter[i];
  let g = gradient[i] * factor + p * params.weightDecay;
  let u = params.momentum * velocity[i] + g;
  velocity[i] = u;
  let direction = select(u, g + params.momentum * u, params.nesterov == 1u);
  parameter[i] = min(p - control[0] * direction, f32(params.largest));
}
