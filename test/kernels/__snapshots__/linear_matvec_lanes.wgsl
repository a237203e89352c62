enable subgroups;

struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn sumOfThreads(value: vec4f, thread: u32) -> vec4f {
  return subgroupAdd(value);
}

fn store(sum: f32, row: u32, column: u32) {
  let at = (row * params.n + column) / 1u;
  let biased = sum;
  let activated = biased;
  y[at] = f32(activated);
}

const WORKGROUP_SIZE = 8u;
const ROWS = 1u;
const COLUMNS = 4u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,

) {
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * ROWS;
  let firstColumn = (tile / rowTiles) * COLUMNS;
  if (firstColumn >= params.n) { return; }
  let steps = params.k / 4u;
  let x0 = min(firstRow + 0u, params.m - 1u) * steps;
  let w0 = min(firstColumn + 0u, params.n - 1u) * steps;
  let w1 = min(firstColumn + 1u, params.n - 1u) * steps;
  let w2 = min(firstColumn + 2u, params.n - 1u) * steps;
  let w3 = min(firstColumn + 3u, params.n - 1u) * steps;

  var sums0 = vec4f(0.0);
  for (var k = thread; k < steps; k += WORKGROUP_SIZE) {
    let columns = mat4x4f(vec4f(weight[w0 + k]), vec4f(weight[w1 + k]), vec4f(weight[w2 + k]), vec4f(weight[w3 + k]));
    sums0 += vec4f(x[x0 + k]) * columns;
  }
  sums0 = sumOfThreads(sums0, thread);
  if (thread < COLUMNS && firstRow + 0u < params.m && firstColumn + thread < params.n) {
    store(sums0[thread], firstRow + 0u, firstColumn + thread);
  }
}
