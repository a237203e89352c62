struct Params {
  count: u32,
  rows: u32,
  headDim: u32,
  parts: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> stats: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const WORKGROUP_SIZE = 64u;
const LANES = 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
  if (i >= params.count / LANES) { return; }

  let length = params.headDim / LANES;
  let row = i / length;
  var most = -3.0e38;
  var sum = 0.0;
  var total = vec4f();
  for (var part = 0u; part < params.parts; part++) {
    let at = part * params.rows + row;
    let partMax = stats[at].x;
    let partSum = stats[at].y;
    // An empty part has a sum of 0; its maximum means nothing.
    let newMost = select(most, max(most, partMax), partSum > 0.0);
    let weight = select(0.0, exp(partMax - newMost), partSum > 0.0);
    let shrink = exp(most - newMost);
    sum = sum * shrink + partSum * weight;
    total = total * shrink + parts[at * length + i % length] * weight;
    most = newMost;
  }
  y[i] = vec4<f32>(select(vec4f(), total / sum, sum > 0.0));
}
