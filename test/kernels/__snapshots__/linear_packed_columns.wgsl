struct Params {
  m: u32,
  n: u32,
  k: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const PLACES = vec4f(1.0, 0.00390625, 1.52587890625e-5, 1.52587890625e-5);

fn stored(word: u32) -> vec4f {
  return vec4f(vec4i(vec4u(vec3u(word), word >> 8u) & vec4u(0xffu, 0xff00u, 0xff0000u, 0xff0000u)));
}

const ZERO = 128.0;
const VECTORS = 1u;
const BLOCK_WORDS = 8u;

fn rowBlocks(columns: u32) -> u32 {
  return (columns + 31u) / 32u;
}

fn rowStart(row: u32, columns: u32) -> u32 {
  let blocks = rowBlocks(columns);
  return row * (blocks * BLOCK_WORDS + 4u * ((blocks + 7u) / 8u));
}

fn scaleOf(start: u32, blocks: u32, b: u32) -> f32 {
  let at = start + blocks * BLOCK_WORDS + b / 2u;
  let pair = weight[at];
  // bfloat16 is the high half of an f32.
  return bitcast<f32>((pair << (16u * (~b & 1u))) & 0xffff0000u);
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

    // Elements 4 step to 4 step + 3 of a row; past its end the last ones stand in, since the weight is zero there.
    fn loadX(row: u32, step: u32) -> vec4f {
      let last = params.k - 1u;
let at = min(4u * step + vec4u(0u, 1u, 2u, 3u), vec4u(last)) + row * params.k;
return vec4f(f32(x[at.x]), f32(x[at.y]), f32(x[at.z]), f32(x[at.w]));
    }

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
      let blocks = rowBlocks(params.k);
      let row0 = min(firstRow + 0u, params.m - 1u);
      let row1 = min(firstRow + 1u, params.m - 1u);
      let row2 = min(firstRow + 2u, params.m - 1u);
      let row3 = min(firstRow + 3u, params.m - 1u);
      let row4 = min(firstRow + 4u, params.m - 1u);
      let row5 = min(firstRow + 5u, params.m - 1u);
      let row6 = min(firstRow + 6u, params.m - 1u);
      let row7 = min(firstRow + 7u, params.m - 1u);
      let w0 = rowStart(min(firstColumn + 0u * WORKGROUP_SIZE, params.n - 1u), params.k);
      let w1 = rowStart(min(firstColumn + 1u * WORKGROUP_SIZE, params.n - 1u), params.k);
      let w2 = rowStart(min(firstColumn + 2u * WORKGROUP_SIZE, params.n - 1u), params.k);
      let w3 = rowStart(min(firstColumn + 3u * WORKGROUP_SIZE, params.n - 1u), params.k);

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
      for (var b = 0u; b < blocks; b++) {
        let scale0 = scaleOf(w0, blocks, b);
        let scale1 = scaleOf(w1, blocks, b);
        let scale2 = scaleOf(w2, blocks, b);
        let scale3 = scaleOf(w3, blocks, b);
        for (var step = 8u * b; step < 8u * (b + 1u); step++) {
          let shift = 4u * (step % VECTORS);
          let column0 = stored(weight[w0 + step / VECTORS] >> shift) * (scale0 * PLACES) - scale0 * ZERO;
          let column1 = stored(weight[w1 + step / VECTORS] >> shift) * (scale1 * PLACES) - scale1 * ZERO;
          let column2 = stored(weight[w2 + step / VECTORS] >> shift) * (scale2 * PLACES) - scale2 * ZERO;
          let column3 = stored(weight[w3 + step / VECTORS] >> shift) * (scale3 * PLACES) - scale3 * ZERO;
          let value0 = loadX(row0, step);
          let value1 = loadX(row1, step);
          let value2 = loadX(row2, step);
          let value3 = loadX(row3, step);
          let value4 = loadX(row4, step);
          let value5 = loadX(row5, step);
          let value6 = loadX(row6, step);
          let value7 = loadX(row7, step);
          sum0_0 += dot(value0, column0);
          sum0_1 += dot(value0, column1);
          sum0_2 += dot(value0, column2);
          sum0_3 += dot(value0, column3);
          sum1_0 += dot(value1, column0);
          sum1_1 += dot(value1, column1);
          sum1_2 += dot(value1, column2);
          sum1_3 += dot(value1, column3);
          sum2_0 += dot(value2, column0);
          sum2_1 += dot(value2, column1);
          sum2_2 += dot(value2, column2);
          sum2_3 += dot(value2, column3);
          sum3_0 += dot(value3, column0);
          sum3_1 += dot(value3, column1);
          sum3_2 += dot(value3, column2);
          sum3_3 += dot(value3, column3);
          sum4_0 += dot(value4, column0);
          sum4_1 += dot(value4, column1);
          sum4_2 += dot(value4, column2);
          sum4_3 += dot(value4, column3);
          sum5_0 += dot(value5, column0);
          sum5_1 += dot(value5, column1);
          sum5_2 += dot(value5, column2);
          sum5_3 += dot(value5, column3);
          sum6_0 += dot(value6, column0);
          sum6_1 += dot(value6, column1);
          sum6_2 += dot(value6, column2);
          sum6_3 += dot(value6, column3);
          sum7_0 += dot(value7, column0);
          sum7_1 += dot(value7, column1);
          sum7_2 += dot(value7, column2);
          sum7_3 += dot(value7, column3);
        }
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
