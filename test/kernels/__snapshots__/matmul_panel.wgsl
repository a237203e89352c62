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

fn panelRows(m: u32) -> u32 {
  let tiles = (m + 255u) / 256u;
  return (m + tiles - 1u) / tiles;
}

const LANES = 8u;
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
  let tileRows = panelRows(params.m);
  let rowTiles = (params.m + tileRows - 1u) / tileRows;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let matrix = tile / (columnTiles * rowTiles);
  if (matrix >= params.batch) { return; }
  let firstRow = (tile % rowTiles) * tileRows;
  let endRow = min(firstRow + tileRows, params.m);
  let firstColumn = (tile / rowTiles) % columnTiles * LANES * VECTORS + lane;
  let column0 = firstColumn + 0u * LANES;
  let aStart = matrixA(matrix) * params.m;
  let bStart = matrixB(matrix) * params.k * columns;

  let inside0 = min(column0, columns - 1u);
  let added0 = vec4f();
  var panel0: array<vec4f, 64>;
  let steps = params.k / 4u;
  for (var start = 0u; start < steps; start += 16u) {
    for (var i = 0u; i < 64u; i++) {
      let step = start + i / 4u;
      let within = min(step, steps - 1u);
      panel0[i] = select(vec4f(), vec4f(b[bStart + (4u * within + i % 4u) * columns + inside0]), step < steps);
    }
    for (var row = firstRow; row < endRow; row++) {
      let own0 = vec4f(a[(aStart + row) * steps + min(start + 0u + lane, steps - 1u)]);
      let own1 = vec4f(a[(aStart + row) * steps + min(start + 8u + lane, steps - 1u)]);
      let at0 = (matrix * params.m + row) * columns + column0;
      var sum0 = added0;
      if (start > 0u && column0 < columns) { sum0 = y[at0]; }
      let step0_0 = subgroupBroadcast(own0, 0u);
      sum0.x = fma(panel0[3].x, step0_0.w, fma(panel0[2].x, step0_0.z, fma(panel0[1].x, step0_0.y, fma(panel0[0].x, step0_0.x, sum0.x))));
      sum0.y = fma(panel0[3].y, step0_0.w, fma(panel0[2].y, step0_0.z, fma(panel0[1].y, step0_0.y, fma(panel0[0].y, step0_0.x, sum0.y))));
      sum0.z = fma(panel0[3].z, step0_0.w, fma(panel0[2].z, step0_0.z, fma(panel0[1].z, step0_0.y, fma(panel0[0].z, step0_0.x, sum0.z))));
      sum0.w = fma(panel0[3].w, step0_0.w, fma(panel0[2].w, step0_0.z, fma(panel0[1].w, step0_0.y, fma(panel0[0].w, step0_0.x, sum0.w))));
      let step0_1 = subgroupBroadcast(own0, 1u);
      sum0.x = fma(panel0[7].x, step0_1.w, fma(panel0[6].x, step0_1.z, fma(panel0[5].x, step0_1.y, fma(panel0[4].x, step0_1.x, sum0.x))));
      sum0.y = fma(panel0[7].y, step0_1.w, fma(panel0[6].y, step0_1.z, fma(panel0[5].y, step0_1.y, fma(panel0[4].y, step0_1.x, sum0.y))));
      sum0.z = fma(panel0[7].z, step0_1.w, fma(panel0[6].z, step0_1.z, fma(panel0[5].z, step0_1.y, fma(panel0[4].z, step0_1.x, sum0.z))));
      sum0.w = fma(panel0[7].w, step0_1.w, fma(panel0[6].w, step0_1.z, fma(panel0[5].w, step0_1.y, fma(panel0[4].w, step0_1.x, sum0.w))));
      let step0_2 = subgroupBroadcast(own0, 2u);
      sum0.x = fma(panel0[11].x, step0_2.w, fma(panel0[10].x, step0_2.z, fma(panel0[9].x, step0_2.y, fma(panel0[8].x, step0_2.x, sum0.x))));
      sum0.y = fma(panel0[11].y, step0_2.w, fma(panel0[10].y, step0_2.z, fma(panel0[9].y, step0_2.y, fma(panel0[8].y, step0_2.x, sum0.y))));
      sum0.z = fma(panel0[11].z, step0_2.w, fma(panel0[10].z, step0_2.z, fma(panel0[9].z, step0_2.y, fma(panel0[8].z, step0_2.x, sum0.z))));
      sum0.w = fma(panel0[11].w, step0_2.w, fma(panel0[10].w, step0_2.z, fma(panel0[9].w, step0_2.y, fma(panel0[8].w, step0_2.x, sum0.w))));
      let step0_3 = subgroupBroadcast(own0, 3u);
      sum0.x = fma(panel0[15].x, step0_3.w, fma(panel0[14].x, step0_3.z, fma(panel0[13].x, step0_3.y, fma(panel0[12].x, step0_3.x, sum0.x))));
      sum0.y = fma(panel0[15].y, step0_3.w, fma(panel0[14].y, step0_3.z, fma(panel0[13].y, step0_3.y, fma(panel0[12].y, step0_3.x, sum0.y))));
      sum0.z = fma(panel0[15].z, step0_3.w, fma(panel0[14].z, step0_3.z, fma(panel0[13].z, step0_3.y, fma(panel0[12].z, step0_3.x, sum0.z))));
      sum0.w = fma(panel0[15].w, step0_3.w, fma(panel0[14].w, step0_3.z, fma(panel0[13].w, step0_3.y, fma(panel0[12].w, step0_3.x, sum0.w))));
      let step0_4 = subgroupBroadcast(own0, 4u);
      sum0.x = fma(panel0[19].x, step0_4.w, fma(panel0[18].x, step0_4.z, fma(panel0[17].x, step0_4.y, fma(panel0[16].x, step0_4.x, sum0.x))));
      sum0.y = fma(panel0[19].y, step0_4.w, fma(panel0[18].y, step0_4.z, fma(panel0[17].y, step0_4.y, fma(panel0[16].y, step0_4.x, sum0.y))));
      sum0.z = fma(panel0[19].z, step0_4.w, fma(panel0[18].z, step0_4.z, fma(panel0[17].z, step0_4.y, fma(panel0[16].z, step0_4.x, sum0.z))));
      sum0.w = fma(panel0[19].w, step0_4.w, fma(panel0[18].w, step0_4.z, fma(panel0[17].w, step0_4.y, fma(panel0[16].w, step0_4.x, sum0.w))));
      let step0_5 = subgroupBroadcast(own0, 5u);
      sum0.x = fma(panel0[23].x, step0_5.w, fma(panel0[22].x, step0_5.z, fma(panel0[21].x, step0_5.y, fma(panel0[20].x, step0_5.x, sum0.x))));
      sum0.y = fma(panel0[23].y, step0_5.w, fma(panel0[22].y, step0_5.z, fma(panel0[21].y, step0_5.y, fma(panel0[20].y, step0_5.x, sum0.y))));
      sum0.z = fma(panel0[23].z, step0_5.w, fma(panel0[22].z, step0_5.z, fma(panel0[21].z, step0_5.y, fma(panel0[20].z, step0_5.x, sum0.z))));
      sum0.w = fma(panel0[23].w, step0_5.w, fma(panel0[22].w, step0_5.z, fma(panel0[21].w, step0_5.y, fma(panel0[20].w, step0_5.x, sum0.w))));
      let step0_6 = subgroupBroadcast(own0, 6u);
      sum0.x = fma(panel0[27].x, step0_6.w, fma(panel0[26].x, step0_6.z, fma(panel0[25].x, step0_6.y, fma(panel0[24].x, step0_6.x, sum0.x))));
      sum0.y = fma(panel0[27].y, step0_6.w, fma(panel0[26].y, step0_6.z, fma(panel0[25].y, step0_6.y, fma(panel0[24].y, step0_6.x, sum0.y))));
      sum0.z = fma(panel0[27].z, step0_6.w, fma(panel0[26].z, step0_6.z, fma(panel0[25].z, step0_6.y, fma(panel0[24].z, step0_6.x, sum0.z))));
      sum0.w = fma(panel0[27].w, step0_6.w, fma(panel0[26].w, step0_6.z, fma(panel0[25].w, step0_6.y, fma(panel0[24].w, step0_6.x, sum0.w))));
      let step0_7 = subgroupBroadcast(own0, 7u);
      sum0.x = fma(panel0[31].x, step0_7.w, fma(panel0[30].x, step0_7.z, fma(panel0[29].x, step0_7.y, fma(panel0[28].x, step0_7.x, sum0.x))));
      sum0.y = fma(panel0[31].y, step0_7.w, fma(panel0[30].y, step0_7.z, fma(panel0[29].y, step0_7.y, fma(panel0[28].y, step0_7.x, sum0.y))));
      sum0.z = fma(panel0[31].z, step0_7.w, fma(panel0[30].z, step0_7.z, fma(panel0[29].z, step0_7.y, fma(panel0[28].z, step0_7.x, sum0.z))));
      sum0.w = fma(panel0[31].w, step0_7.w, fma(panel0[30].w, step0_7.z, fma(panel0[29].w, step0_7.y, fma(panel0[28].w, step0_7.x, sum0.w))));
      let step0_8 = subgroupBroadcast(own1, 0u);
      sum0.x = fma(panel0[35].x, step0_8.w, fma(panel0[34].x, step0_8.z, fma(panel0[33].x, step0_8.y, fma(panel0[32].x, step0_8.x, sum0.x))));
      sum0.y = fma(panel0[35].y, step0_8.w, fma(panel0[34].y, step0_8.z, fma(panel0[33].y, step0_8.y, fma(panel0[32].y, step0_8.x, sum0.y))));
      sum0.z = fma(panel0[35].z, step0_8.w, fma(panel0[34].z, step0_8.z, fma(panel0[33].z, step0_8.y, fma(panel0[32].z, step0_8.x, sum0.z))));
      sum0.w = fma(panel0[35].w, step0_8.w, fma(panel0[34].w, step0_8.z, fma(panel0[33].w, step0_8.y, fma(panel0[32].w, step0_8.x, sum0.w))));
      let step0_9 = subgroupBroadcast(own1, 1u);
      sum0.x = fma(panel0[39].x, step0_9.w, fma(panel0[38].x, step0_9.z, fma(panel0[37].x, step0_9.y, fma(panel0[36].x, step0_9.x, sum0.x))));
      sum0.y = fma(panel0[39].y, step0_9.w, fma(panel0[38].y, step0_9.z, fma(panel0[37].y, step0_9.y, fma(panel0[36].y, step0_9.x, sum0.y))));
      sum0.z = fma(panel0[39].z, step0_9.w, fma(panel0[38].z, step0_9.z, fma(panel0[37].z, step0_9.y, fma(panel0[36].z, step0_9.x, sum0.z))));
      sum0.w = fma(panel0[39].w, step0_9.w, fma(panel0[38].w, step0_9.z, fma(panel0[37].w, step0_9.y, fma(panel0[36].w, step0_9.x, sum0.w))));
      let step0_10 = subgroupBroadcast(own1, 2u);
      sum0.x = fma(panel0[43].x, step0_10.w, fma(panel0[42].x, step0_10.z, fma(panel0[41].x, step0_10.y, fma(panel0[40].x, step0_10.x, sum0.x))));
      sum0.y = fma(panel0[43].y, step0_10.w, fma(panel0[42].y, step0_10.z, fma(panel0[41].y, step0_10.y, fma(panel0[40].y, step0_10.x, sum0.y))));
      sum0.z = fma(panel0[43].z, step0_10.w, fma(panel0[42].z, step0_10.z, fma(panel0[41].z, step0_10.y, fma(panel0[40].z, step0_10.x, sum0.z))));
      sum0.w = fma(panel0[43].w, step0_10.w, fma(panel0[42].w, step0_10.z, fma(panel0[41].w, step0_10.y, fma(panel0[40].w, step0_10.x, sum0.w))));
      let step0_11 = subgroupBroadcast(own1, 3u);
      sum0.x = fma(panel0[47].x, step0_11.w, fma(panel0[46].x, step0_11.z, fma(panel0[45].x, step0_11.y, fma(panel0[44].x, step0_11.x, sum0.x))));
      sum0.y = fma(panel0[47].y, step0_11.w, fma(panel0[46].y, step0_11.z, fma(panel0[45].y, step0_11.y, fma(panel0[44].y, step0_11.x, sum0.y))));
      sum0.z = fma(panel0[47].z, step0_11.w, fma(panel0[46].z, step0_11.z, fma(panel0[45].z, step0_11.y, fma(panel0[44].z, step0_11.x, sum0.z))));
      sum0.w = fma(panel0[47].w, step0_11.w, fma(panel0[46].w, step0_11.z, fma(panel0[45].w, step0_11.y, fma(panel0[44].w, step0_11.x, sum0.w))));
      let step0_12 = subgroupBroadcast(own1, 4u);
      sum0.x = fma(panel0[51].x, step0_12.w, fma(panel0[50].x, step0_12.z, fma(panel0[49].x, step0_12.y, fma(panel0[48].x, step0_12.x, sum0.x))));
      sum0.y = fma(panel0[51].y, step0_12.w, fma(panel0[50].y, step0_12.z, fma(panel0[49].y, step0_12.y, fma(panel0[48].y, step0_12.x, sum0.y))));
      sum0.z = fma(panel0[51].z, step0_12.w, fma(panel0[50].z, step0_12.z, fma(panel0[49].z, step0_12.y, fma(panel0[48].z, step0_12.x, sum0.z))));
      sum0.w = fma(panel0[51].w, step0_12.w, fma(panel0[50].w, step0_12.z, fma(panel0[49].w, step0_12.y, fma(panel0[48].w, step0_12.x, sum0.w))));
      let step0_13 = subgroupBroadcast(own1, 5u);
      sum0.x = fma(panel0[55].x, step0_13.w, fma(panel0[54].x, step0_13.z, fma(panel0[53].x, step0_13.y, fma(panel0[52].x, step0_13.x, sum0.x))));
      sum0.y = fma(panel0[55].y, step0_13.w, fma(panel0[54].y, step0_13.z, fma(panel0[53].y, step0_13.y, fma(panel0[52].y, step0_13.x, sum0.y))));
      sum0.z = fma(panel0[55].z, step0_13.w, fma(panel0[54].z, step0_13.z, fma(panel0[53].z, step0_13.y, fma(panel0[52].z, step0_13.x, sum0.z))));
      sum0.w = fma(panel0[55].w, step0_13.w, fma(panel0[54].w, step0_13.z, fma(panel0[53].w, step0_13.y, fma(panel0[52].w, step0_13.x, sum0.w))));
      let step0_14 = subgroupBroadcast(own1, 6u);
      sum0.x = fma(panel0[59].x, step0_14.w, fma(panel0[58].x, step0_14.z, fma(panel0[57].x, step0_14.y, fma(panel0[56].x, step0_14.x, sum0.x))));
      sum0.y = fma(panel0[59].y, step0_14.w, fma(panel0[58].y, step0_14.z, fma(panel0[57].y, step0_14.y, fma(panel0[56].y, step0_14.x, sum0.y))));
      sum0.z = fma(panel0[59].z, step0_14.w, fma(panel0[58].z, step0_14.z, fma(panel0[57].z, step0_14.y, fma(panel0[56].z, step0_14.x, sum0.z))));
      sum0.w = fma(panel0[59].w, step0_14.w, fma(panel0[58].w, step0_14.z, fma(panel0[57].w, step0_14.y, fma(panel0[56].w, step0_14.x, sum0.w))));
      let step0_15 = subgroupBroadcast(own1, 7u);
      sum0.x = fma(panel0[63].x, step0_15.w, fma(panel0[62].x, step0_15.z, fma(panel0[61].x, step0_15.y, fma(panel0[60].x, step0_15.x, sum0.x))));
      sum0.y = fma(panel0[63].y, step0_15.w, fma(panel0[62].y, step0_15.z, fma(panel0[61].y, step0_15.y, fma(panel0[60].y, step0_15.x, sum0.y))));
      sum0.z = fma(panel0[63].z, step0_15.w, fma(panel0[62].z, step0_15.z, fma(panel0[61].z, step0_15.y, fma(panel0[60].z, step0_15.x, sum0.z))));
      sum0.w = fma(panel0[63].w, step0_15.w, fma(panel0[62].w, step0_15.z, fma(panel0[61].w, step0_15.y, fma(panel0[60].w, step0_15.x, sum0.w))));
      if (column0 < columns) { y[at0] = sum0; }
    }
  }
}
