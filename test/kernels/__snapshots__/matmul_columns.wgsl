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
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

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

const WORKGROUP_SIZE = 64u;
const ROWS = 8u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  // Columns are counted in vectors of 1.
  let columns = params.n / 1u;
  let columnTiles = (columns + WORKGROUP_SIZE - 1u) / WORKGROUP_SIZE;
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let matrix = tile / (columnTiles * rowTiles);
  if (matrix >= params.batch) { return; }
  let firstRow = (tile % rowTiles) * ROWS;
  let column = (tile / rowTiles) % columnTiles * WORKGROUP_SIZE + thread;
  let aStart = matrixA(matrix) * params.m;
  let a0 = (aStart + min(firstRow + 0u, params.m - 1u)) * params.k;
  let a1 = (aStart + min(firstRow + 1u, params.m - 1u)) * params.k;
  let a2 = (aStart + min(firstRow + 2u, params.m - 1u)) * params.k;
  let a3 = (aStart + min(firstRow + 3u, params.m - 1u)) * params.k;
  let a4 = (aStart + min(firstRow + 4u, params.m - 1u)) * params.k;
  let a5 = (aStart + min(firstRow + 5u, params.m - 1u)) * params.k;
  let a6 = (aStart + min(firstRow + 6u, params.m - 1u)) * params.k;
  let a7 = (aStart + min(firstRow + 7u, params.m - 1u)) * params.k;
  let bStart = matrixB(matrix) * params.k * columns + min(column, columns - 1u);

  var sum0 = f32(0.0);
  var sum1 = f32(0.0);
  var sum2 = f32(0.0);
  var sum3 = f32(0.0);
  var sum4 = f32(0.0);
  var sum5 = f32(0.0);
  var sum6 = f32(0.0);
  var sum7 = f32(0.0);
  for (var k = 0u; k < params.k; k++) {
    let row = f32(b[bStart + k * columns]);
    sum0 += f32(a[a0 + k]) * row;
    sum1 += f32(a[a1 + k]) * row;
    sum2 += f32(a[a2 + k]) * row;
    sum3 += f32(a[a3 + k]) * row;
    sum4 += f32(a[a4 + k]) * row;
    sum5 += f32(a[a5 + k]) * row;
    sum6 += f32(a[a6 + k]) * row;
    sum7 += f32(a[a7 + k]) * row;
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    if (column < columns) { y[(matrix * params.m + row) * columns + column] = f32(sum0); }
    sum0 = sum1;
    sum1 = sum2;
    sum2 = sum3;
    sum3 = sum4;
    sum4 = sum5;
    sum5 = sum6;
    sum6 = sum7;
  }
}
