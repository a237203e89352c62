enable subgroups;

struct Params {
  batch: u32,
  m: u32,
  n: u32,
  k: u32,
  size1: u32,
  size2: u32,
  a0: u32,
  a1: u32,
  a2: u32,
  b0: u32,
  b1: u32,
  b2: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn matrixA(index: u32) -> u32 {
  return dot(batchIndex(index), vec3u(params.a0, params.a1, params.a2));
}

fn matrixB(index: u32) -> u32 {
  return dot(batchIndex(index), vec3u(params.b0, params.b1, params.b2));
}

fn batchIndex(index: u32) -> vec3u {
  let outer = index / params.size2;
  return vec3u(outer / params.size1, outer % params.size1, index % params.size2);
}

fn addProduct(sum: vec4f, steps: mat4x4f, value: vec4f) -> vec4f {
  let two = fma(steps[1], vec4f(value.y), fma(steps[0], vec4f(value.x), sum));
  return fma(steps[3], vec4f(value.w), fma(steps[2], vec4f(value.z), two));
}

const LANES = 8u;
const ROWS = 16u;
// Of a lane, each of 4 columns, LANES vectors apart.
const VECTORS = 1u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  // Columns are counted in vectors of 4.
  let columns = params.n / 4u;
  let columnTiles = (columns + LANES * VECTORS - 1u) / (LANES * VECTORS);
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let matrix = tile / (columnTiles * rowTiles);
  if (matrix >= params.batch) { return; }
  let firstRow = (tile % rowTiles) * ROWS;
  let firstColumn = (tile / rowTiles) % columnTiles * LANES * VECTORS + lane;
  let steps = params.k / 4u;
  let aStart = matrixA(matrix) * params.m;
  let a0 = (aStart + min(firstRow + 0u + lane, params.m - 1u)) * steps;
  let a1 = (aStart + min(firstRow + 8u + lane, params.m - 1u)) * steps;
  let bStart = matrixB(matrix) * params.k * columns;
  let column0 = firstColumn + 0u * LANES;
  let b0 = bStart + min(column0, columns - 1u);

  var sum0_0 = vec4f(0.0);
  var sum1_0 = vec4f(0.0);
  var sum2_0 = vec4f(0.0);
  var sum3_0 = vec4f(0.0);
  var sum4_0 = vec4f(0.0);
  var sum5_0 = vec4f(0.0);
  var sum6_0 = vec4f(0.0);
  var sum7_0 = vec4f(0.0);
  var sum8_0 = vec4f(0.0);
  var sum9_0 = vec4f(0.0);
  var sum10_0 = vec4f(0.0);
  var sum11_0 = vec4f(0.0);
  var sum12_0 = vec4f(0.0);
  var sum13_0 = vec4f(0.0);
  var sum14_0 = vec4f(0.0);
  var sum15_0 = vec4f(0.0);
  for (var k = 0u; k < steps; k++) {
    let at = 4u * k * columns;
    let rows0 = mat4x4f(
      vec4f(b[b0 + at]),
      vec4f(b[b0 + at + columns]),
      vec4f(b[b0 + at + 2u * columns]),
      vec4f(b[b0 + at + 3u * columns]),
    );
    let own0 = vec4f(a[a0 + k]);
    let own1 = vec4f(a[a1 + k]);
    let value0 = subgroupBroadcast(own0, 0u);
    sum0_0 = addProduct(sum0_0, rows0, value0);
    let value1 = subgroupBroadcast(own0, 1u);
    sum1_0 = addProduct(sum1_0, rows0, value1);
    let value2 = subgroupBroadcast(own0, 2u);
    sum2_0 = addProduct(sum2_0, rows0, value2);
    let value3 = subgroupBroadcast(own0, 3u);
    sum3_0 = addProduct(sum3_0, rows0, value3);
    let value4 = subgroupBroadcast(own0, 4u);
    sum4_0 = addProduct(sum4_0, rows0, value4);
    let value5 = subgroupBroadcast(own0, 5u);
    sum5_0 = addProduct(sum5_0, rows0, value5);
    let value6 = subgroupBroadcast(own0, 6u);
    sum6_0 = addProduct(sum6_0, rows0, value6);
    let value7 = subgroupBroadcast(own0, 7u);
    sum7_0 = addProduct(sum7_0, rows0, value7);
    let value8 = subgroupBroadcast(own1, 0u);
    sum8_0 = addProduct(sum8_0, rows0, value8);
    let value9 = subgroupBroadcast(own1, 1u);
    sum9_0 = addProduct(sum9_0, rows0, value9);
    let value10 = subgroupBroadcast(own1, 2u);
    sum10_0 = addProduct(sum10_0, rows0, value10);
    let value11 = subgroupBroadcast(own1, 3u);
    sum11_0 = addProduct(sum11_0, rows0, value11);
    let value12 = subgroupBroadcast(own1, 4u);
    sum12_0 = addProduct(sum12_0, rows0, value12);
    let value13 = subgroupBroadcast(own1, 5u);
    sum13_0 = addProduct(sum13_0, rows0, value13);
    let value14 = subgroupBroadcast(own1, 6u);
    sum14_0 = addProduct(sum14_0, rows0, value14);
    let value15 = subgroupBroadcast(own1, 7u);
    sum15_0 = addProduct(sum15_0, rows0, value15);
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    let start = (matrix * params.m + row) * columns;
    if (column0 < columns) { y[start + column0] = vec4<f32>(sum0_0); }
    sum0_0 = sum1_0;
    sum1_0 = sum2_0;
    sum2_0 = sum3_0;
    sum3_0 = sum4_0;
    sum4_0 = sum5_0;
    sum5_0 = sum6_0;
    sum6_0 = sum7_0;
    sum7_0 = sum8_0;
    sum8_0 = sum9_0;
    sum9_0 = sum10_0;
    sum10_0 = sum11_0;
    sum11_0 = sum12_0;
    sum12_0 = sum13_0;
    sum13_0 = sum14_0;
    sum14_0 = sum15_0;
  }
}
