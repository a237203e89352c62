enable subgroups;

struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn store(sum: vec4f, row: u32, column: u32) {
  let at = (row * params.n + column) / 4u;
  let biased = sum;
  let activated = biased;
  y[at] = vec4<f32>(activated);
}


const LANES = 32u;
const ROWS = 32u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let rowTiles = (params.m + ROWS - 1u) / ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * ROWS;
  let firstColumn = (tile / rowTiles) * LANES * 4u;
  if (firstColumn >= params.n) { return; }
  let column = firstColumn + lane * 4u;
  let steps = params.k / 4u;
  let w = min(column, params.n - 4u) * steps;
  let x0 = min(firstRow + 0u + lane, params.m - 1u) * steps;

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
  var sum16 = vec4f(0.0);
  var sum17 = vec4f(0.0);
  var sum18 = vec4f(0.0);
  var sum19 = vec4f(0.0);
  var sum20 = vec4f(0.0);
  var sum21 = vec4f(0.0);
  var sum22 = vec4f(0.0);
  var sum23 = vec4f(0.0);
  var sum24 = vec4f(0.0);
  var sum25 = vec4f(0.0);
  var sum26 = vec4f(0.0);
  var sum27 = vec4f(0.0);
  var sum28 = vec4f(0.0);
  var sum29 = vec4f(0.0);
  var sum30 = vec4f(0.0);
  var sum31 = vec4f(0.0);
  for (var k = 0u; k < steps; k++) {
    let columns = mat4x4f(
      vec4f(weight[w + k]),
      vec4f(weight[w + steps + k]),
      vec4f(weight[w + 2u * steps + k]),
      vec4f(weight[w + 3u * steps + k]),
    );
    let own0 = vec4f(x[x0 + k]);
    sum0 += subgroupBroadcast(own0, 0u) * columns;
    sum1 += subgroupBroadcast(own0, 1u) * columns;
    sum2 += subgroupBroadcast(own0, 2u) * columns;
    sum3 += subgroupBroadcast(own0, 3u) * columns;
    sum4 += subgroupBroadcast(own0, 4u) * columns;
    sum5 += subgroupBroadcast(own0, 5u) * columns;
    sum6 += subgroupBroadcast(own0, 6u) * columns;
    sum7 += subgroupBroadcast(own0, 7u) * columns;
    sum8 += subgroupBroadcast(own0, 8u) * columns;
    sum9 += subgroupBroadcast(own0, 9u) * columns;
    sum10 += subgroupBroadcast(own0, 10u) * columns;
    sum11 += subgroupBroadcast(own0, 11u) * columns;
    sum12 += subgroupBroadcast(own0, 12u) * columns;
    sum13 += subgroupBroadcast(own0, 13u) * columns;
    sum14 += subgroupBroadcast(own0, 14u) * columns;
    sum15 += subgroupBroadcast(own0, 15u) * columns;
    sum16 += subgroupBroadcast(own0, 16u) * columns;
    sum17 += subgroupBroadcast(own0, 17u) * columns;
    sum18 += subgroupBroadcast(own0, 18u) * columns;
    sum19 += subgroupBroadcast(own0, 19u) * columns;
    sum20 += subgroupBroadcast(own0, 20u) * columns;
    sum21 += subgroupBroadcast(own0, 21u) * columns;
    sum22 += subgroupBroadcast(own0, 22u) * columns;
    sum23 += subgroupBroadcast(own0, 23u) * columns;
    sum24 += subgroupBroadcast(own0, 24u) * columns;
    sum25 += subgroupBroadcast(own0, 25u) * columns;
    sum26 += subgroupBroadcast(own0, 26u) * columns;
    sum27 += subgroupBroadcast(own0, 27u) * columns;
    sum28 += subgroupBroadcast(own0, 28u) * columns;
    sum29 += subgroupBroadcast(own0, 29u) * columns;
    sum30 += subgroupBroadcast(own0, 30u) * columns;
    sum31 += subgroupBroadcast(own0, 31u) * columns;
  }

  let end = min(firstRow + ROWS, params.m);
  for (var row = firstRow; row < end; row++) {
    if (column < params.n) { store(sum0, row, column); }
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
    sum15 = sum16;
    sum16 = sum17;
    sum17 = sum18;
    sum18 = sum19;
    sum19 = sum20;
    sum20 = sum21;
    sum21 = sum22;
    sum22 = sum23;
    sum23 = sum24;
    sum24 = sum25;
    sum25 = sum26;
    sum26 = sum27;
    sum27 = sum28;
    sum28 = sum29;
    sum29 = sum30;
    sum30 = sum31;
  }
}
