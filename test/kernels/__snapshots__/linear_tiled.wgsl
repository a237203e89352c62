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

fn store(sum: f32, row: u32, column: u32) {
  let at = (row * params.n + column) / 1u;
  let biased = sum;
  let activated = biased;
  y[at] = f32(activated);
}

fn plainVector(row: u32, columns: u32, step: u32) -> vec4f {
  return vec4f(weight[row * (columns / 4u) + step]);
}

const SIDE = 16u;
const THREADS = SIDE * SIDE;
const ROWS = 4u;
const COLUMNS = 4u;
const TILE_ROWS = ROWS * SIDE;
const TILE_COLUMNS = COLUMNS * SIDE;
const DEPTH = 4u;
const STRIDE = 5u;
const BUFFERS = 1u;

var<workgroup> xTile: array<vec4f, BUFFERS * TILE_ROWS * STRIDE>;
var<workgroup> weightTile: array<vec4f, BUFFERS * TILE_COLUMNS * STRIDE>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let rowTiles = (params.m + TILE_ROWS - 1u) / TILE_ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let firstRow = (tile % rowTiles) * TILE_ROWS;
  let firstColumn = (tile / rowTiles) * TILE_COLUMNS;
  if (firstColumn >= params.n) { return; }
  let s = thread / SIDE;
  let t = thread % SIDE;
  let steps = params.k / 4u;

  var sums: array<vec4f, ROWS>;

  for (var step = 0u; step < steps; step += DEPTH) {
    stage(thread, firstRow, firstColumn, step);
    workgroupBarrier();
    let xStart = bufferOf(step) * TILE_ROWS + s;
    let weightStart = bufferOf(step) * TILE_COLUMNS + t;
    for (var k = 0u; k < DEPTH; k++) {
      let columns = mat4x4f(
        weightTile[weightStart * STRIDE + k],
        weightTile[(weightStart + SIDE) * STRIDE + k],
        weightTile[(weightStart + 2u * SIDE) * STRIDE + k],
        weightTile[(weightStart + 3u * SIDE) * STRIDE + k],
      );
      for (var i = 0u; i < ROWS; i++) {
        sums[i] += xTile[(xStart + i * SIDE) * STRIDE + k] * columns;
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < ROWS; i++) {
    let row = firstRow + s + i * SIDE;
    for (var j = 0u; j < COLUMNS; j++) {
      let column = firstColumn + t + j * SIDE;
      if (row < params.m && column < params.n) { store(sums[i][j], row, column); }
    }
  }
}

fn bufferOf(step: u32) -> u32 { return step / DEPTH % BUFFERS; }

// Both tiles of a step; past the last step they are zeros that nobody reads.
fn stage(thread: u32, firstRow: u32, firstColumn: u32, step: u32) {
  let xStart = bufferOf(step) * TILE_ROWS;
  let weightStart = bufferOf(step) * TILE_COLUMNS;
  for (var i = thread; i < TILE_ROWS * DEPTH; i += THREADS) {
    let at = (xStart + i / DEPTH) * STRIDE + i % DEPTH;
    xTile[at] = loadX(firstRow + i / DEPTH, step + i % DEPTH);
  }
  for (var i = thread; i < TILE_COLUMNS * DEPTH; i += THREADS) {
    let at = (weightStart + i / DEPTH) * STRIDE + i % DEPTH;
    weightTile[at] = loadWeight(firstColumn + i / DEPTH, step + i % DEPTH);
  }
}

// Rows past the end repeat the last one, and are never stored; past the end of k there are zeros.
fn loadX(row: u32, step: u32) -> vec4f {
  if (step >= params.k / 4u) { return vec4f(0.0); }
  return vec4f(x[min(row, params.m - 1u) * (params.k / 4u) + step]);
}

fn loadWeight(column: u32, step: u32) -> vec4f {
  if (step >= params.k / 4u) { return vec4f(0.0); }
  return plainVector(min(column, params.n - 1u), params.k, step);
}
