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

const LANES = 8u;
const ROWS = 16u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  // Columns are counted in vectors of 4.
  let columns = params.n / 4u;
  let columnTiles = (columns + LANES - 1u) / LANES;
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let matrix = tile / (columnTiles * rowTiles);
  if (matrix >= params.batch) { return; }
  let firstRow = (tile % rowTiles) * ROWS;
  let column = (tile / rowTiles) % columnTiles * LANES + lane;
  let steps = params.k / 4u;
  let aStart = matrixA(matrix) * params.m;
  let a0 = (aStart + min(firstRow + 0u + lane, params.m - 1u)) * steps;
  let a1 = (aStart + min(firstRow + 8u + lane, params.m - 1u)) * steps;
  let bStart = matrixB(matrix) * params.k * columns + min(column, columns - 1u);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  var sum7 = vec4f(0.0);
  var sum8 = vec4f(0.0);
  var sum9 = vec4f(0.0);
  var sum10 = vec4f(0.0);
  var sum11 = vec4f(0.0);
  var sum12 = vec4f(0.0);
  var sum13 = vec4f(0.0);
  var sum14 = vec4f(0.0);
  var sum15 = vec4f(0.0);
  for (var k = 0u; k < steps; k++) {
    let at = bStart + 4u * k * columns;
    let rowsOfB = mat4x4f(
      vec4f(b[at]),
      vec4f(b[at + columns]),
      vec4f(b[at + 2u * columns]),
      vec4f(b[at + 3u * columns]),
    );
    let own0 = vec4f(a[a0 + k]);
    let own1 = vec4f(a[a1 + k]);
    sum0 += rowsOfB * subgroupBroadcast(own0, 0u);
    sum1 += rowsOfB * subgroupBroadcast(own0, 1u);
    sum2 += rowsOfB * subgroupBroadcast(own0, 2u);
    sum3 += rowsOfB * subgroupBroadcast(own0, 3u);
    sum4 += rowsOfB * subgroupBroadcast(own0, 4u);
    sum5 += rowsOfB * subgroupBroadcast(own0, 5u);
    sum6 += rowsOfB * subgroupBroadcast(own0, 6u);
    sum7 += rowsOfB * subgroupBroadcast(own0, 7u);
    sum8 += rowsOfB * subgroupBroadcast(own1, 0u);
    sum9 += rowsOfB * subgroupBroadcast(own1, 1u);
    sum10 += rowsOfB * subgroupBroadcast(own1, 2u);
    sum11 += rowsOfB * subgroupBroadcast(own1, 3u);
    sum12 += rowsOfB * subgroupBroadcast(own1, 4u);
    sum13 += rowsOfB * subgroupBroadcast(own1, 5u);
    sum14 += rowsOfB * subgroupBroadcast(own1, 6u);
    sum15 += rowsOfB * subgroupBroadcast(own1, 7u);
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    if (column < columns) { y[(matrix * params.m + row) * columns + column] = vec4<f32>(sum0); }
    sum0 = sum1;
    sum1 = sum2;
    sum2 = sum3;
    sum3 = sum4;
    sum4 = sum5;
    sum5 = sum6;
    sum6 = sum7;
    sum7 = sum8;
    sum8 = sum9;
    sum9 = sum10;
    sum10 = sum11;
    sum11 = sum12;
    sum12 = sum13;
    sum13 = sum14;
    sum14 = sum15;
  }
}
