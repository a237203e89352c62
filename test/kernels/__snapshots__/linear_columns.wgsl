struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn store(sum: f32, row: u32, column: u32) {
  let at = (row * params.n + column) / 1u;
  let biased = sum;
  let activated = biased;
  y[at] = f32(activated);
}

const WORKGROUP_SIZE = 64u;
const ROWS = 8u;
const COLUMNS = 4u;

fn product(value: f32, column: f32) -> f32 { return value * column; }

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * ROWS;
  let tileColumn = (tile / rowTiles) * COLUMNS * WORKGROUP_SIZE;
  if (tileColumn >= params.n) { return; }
  let firstColumn = tileColumn + thread;
  let steps = params.k / 1u;
  let x0 = min(firstRow + 0u, params.m - 1u) * steps;
  let x1 = min(firstRow + 1u, params.m - 1u) * steps;
  let x2 = min(firstRow + 2u, params.m - 1u) * steps;
  let x3 = min(firstRow + 3u, params.m - 1u) * steps;
  let x4 = min(firstRow + 4u, params.m - 1u) * steps;
  let x5 = min(firstRow + 5u, params.m - 1u) * steps;
  let x6 = min(firstRow + 6u, params.m - 1u) * steps;
  let x7 = min(firstRow + 7u, params.m - 1u) * steps;
  let w0 = min(firstColumn + 0u * WORKGROUP_SIZE, params.n - 1u) * steps;
  let w1 = min(firstColumn + 1u * WORKGROUP_SIZE, params.n - 1u) * steps;
  let w2 = min(firstColumn + 2u * WORKGROUP_SIZE, params.n - 1u) * steps;
  let w3 = min(firstColumn + 3u * WORKGROUP_SIZE, params.n - 1u) * steps;

  var sum0_0 = 0.0;
  var sum0_1 = 0.0;
  var sum0_2 = 0.0;
  var sum0_3 = 0.0;
  var sum1_0 = 0.0;
  var sum1_1 = 0.0;
  var sum1_2 = 0.0;
  var sum1_3 = 0.0;
  var sum2_0 = 0.0;
  var sum2_1 = 0.0;
  var sum2_2 = 0.0;
  var sum2_3 = 0.0;
  var sum3_0 = 0.0;
  var sum3_1 = 0.0;
  var sum3_2 = 0.0;
  var sum3_3 = 0.0;
  var sum4_0 = 0.0;
  var sum4_1 = 0.0;
  var sum4_2 = 0.0;
  var sum4_3 = 0.0;
  var sum5_0 = 0.0;
  var sum5_1 = 0.0;
  var sum5_2 = 0.0;
  var sum5_3 = 0.0;
  var sum6_0 = 0.0;
  var sum6_1 = 0.0;
  var sum6_2 = 0.0;
  var sum6_3 = 0.0;
  var sum7_0 = 0.0;
  var sum7_1 = 0.0;
  var sum7_2 = 0.0;
  var sum7_3 = 0.0;
  for (var k = 0u; k < steps; k++) {
    let value0 = f32(x[x0 + k]);
    let value1 = f32(x[x1 + k]);
    let value2 = f32(x[x2 + k]);
    let value3 = f32(x[x3 + k]);
    let value4 = f32(x[x4 + k]);
    let value5 = f32(x[x5 + k]);
    let value6 = f32(x[x6 + k]);
    let value7 = f32(x[x7 + k]);
    let column0 = f32(weight[w0 + k]);
    let column1 = f32(weight[w1 + k]);
    let column2 = f32(weight[w2 + k]);
    let column3 = f32(weight[w3 + k]);
    sum0_0 += product(value0, column0);
    sum0_1 += product(value0, column1);
    sum0_2 += product(value0, column2);
    sum0_3 += product(value0, column3);
    sum1_0 += product(value1, column0);
    sum1_1 += product(value1, column1);
    sum1_2 += product(value1, column2);
    sum1_3 += product(value1, column3);
    sum2_0 += product(value2, column0);
    sum2_1 += product(value2, column1);
    sum2_2 += product(value2, column2);
    sum2_3 += product(value2, column3);
    sum3_0 += product(value3, column0);
    sum3_1 += product(value3, column1);
    sum3_2 += product(value3, column2);
    sum3_3 += product(value3, column3);
    sum4_0 += product(value4, column0);
    sum4_1 += product(value4, column1);
    sum4_2 += product(value4, column2);
    sum4_3 += product(value4, column3);
    sum5_0 += product(value5, column0);
    sum5_1 += product(value5, column1);
    sum5_2 += product(value5, column2);
    sum5_3 += product(value5, column3);
    sum6_0 += product(value6, column0);
    sum6_1 += product(value6, column1);
    sum6_2 += product(value6, column2);
    sum6_3 += product(value6, column3);
    sum7_0 += product(value7, column0);
    sum7_1 += product(value7, column1);
    sum7_2 += product(value7, column2);
    sum7_3 += product(value7, column3);
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    storeInside(sum0_0, row, firstColumn + 0u * WORKGROUP_SIZE);
    storeInside(sum0_1, row, firstColumn + 1u * WORKGROUP_SIZE);
    storeInside(sum0_2, row, firstColumn + 2u * WORKGROUP_SIZE);
    storeInside(sum0_3, row, firstColumn + 3u * WORKGROUP_SIZE);
    sum0_0 = sum1_0;
    sum0_1 = sum1_1;
    sum0_2 = sum1_2;
    sum0_3 = sum1_3;
    sum1_0 = sum2_0;
    sum1_1 = sum2_1;
    sum1_2 = sum2_2;
    sum1_3 = sum2_3;
    sum2_0 = sum3_0;
    sum2_1 = sum3_1;
    sum2_2 = sum3_2;
    sum2_3 = sum3_3;
    sum3_0 = sum4_0;
    sum3_1 = sum4_1;
    sum3_2 = sum4_2;
    sum3_3 = sum4_3;
    sum4_0 = sum5_0;
    sum4_1 = sum5_1;
    sum4_2 = sum5_2;
    sum4_3 = sum5_3;
    sum5_0 = sum6_0;
    sum5_1 = sum6_1;
    sum5_2 = sum6_2;
    sum5_3 = sum6_3;
    sum6_0 = sum7_0;
    sum6_1 = sum7_1;
    sum6_2 = sum7_2;
    sum6_3 = sum7_3;
  }
}

fn storeInside(sum: f32, row: u32, column: u32) {
  if (column < params.n) { store(sum, row, column); }
}
