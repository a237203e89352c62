struct Params {
  count: u32,
  beta1: f32,
  beta2: f32,
  rest1: f32,
  rest2: f32,
  eps: f32,
  decoupledDecay: f32,
  addedDecay: f32,
  largest: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> variance: array<f32>;
@group(0) @binding(4) var<storage, read> gradient: array<f32>;
@group(0) @binding(5) var<storage, read> control: array<f32>;

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
  let learningRate = control[0];
  let p = parameter[i];
  let g = gradient[i] * factor + p * params.addedDecay;
  let m = params.beta1 * mean[i] + params.rest1 * g;
  let v = params.beta2 * variance[i] + params.rest2 * g * g;
  mean[i] = m;
  variance[i] = v;
  let direction = m / control[1] / (sqrt(v / control[2]) + params.eps);
  let next = p - learningRate * params.decoupledDecay * p - learningRate * direction;
  parameter[i] = min(next, f32(params.largest));
}
