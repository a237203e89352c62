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

const SIDE = 16u;
const THREADS = SIDE * SIDE;
const ROWS = 4u;
const TILE_ROWS = ROWS * SIDE;
const DEPTH = 4u;
const STRIDE = 5u;
const BUFFERS = 1u;

var<workgroup> aTile: array<vec4f, BUFFERS * TILE_ROWS * STRIDE>;
var<workgroup> bTile: array<vec4f, BUFFERS * 4u * DEPTH * SIDE>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  // Columns are counted in vectors of 4.
  let columns = params.n / 4u;
  let columnTiles = (columns + SIDE - 1u) / SIDE;
  let rowTiles = (params.m + TILE_ROWS - 1u) / TILE_ROWS;
  let tile = workgroupIndex(workgroupId, numWorkgroups);
  let matrix = tile / (columnTiles * rowTiles);
  if (matrix >= params.batch) { return; }
  let firstRow = (tile % rowTiles) * TILE_ROWS;
  let firstColumn = (tile / rowTiles) % columnTiles * SIDE;
  let aStart = matrixA(matrix) * params.m;
  let bStart = matrixB(matrix) * params.k;
  let s = thread / SIDE;
  let t = thread % SIDE;

  var sums: array<vec4f, ROWS>;
  let corner = TileCorner(aStart, bStart, firstRow, firstColumn);

  for (var step = 0u; step < params.k / 4u; step += DEPTH) {
    stage(thread, corner, step);
    workgroupBarrier();
    let aFirst = bufferOf(step) * TILE_ROWS + s;
    for (var k = 0u; k < DEPTH; k++) {
      let at = 4u * (bufferOf(step) * DEPTH + k) * SIDE + t;
      let rowsOfB = mat4x4f(bTile[at], bTile[at + SIDE], bTile[at + 2u * SIDE], bTile[at + 3u * SIDE]);
      for (var i = 0u; i < ROWS; i++) {
        sums[i] += rowsOfB * aTile[(aFirst + i * SIDE) * STRIDE + k];
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < ROWS; i++) {
    let row = firstRow + s + i * SIDE;
    let column = firstColumn + t;
    if (row < params.m && column < columns) {
      y[(matrix * params.m + row) * columns + column] = vec4<f32>(sums[i]);
    }
  }
}

// Where the matrices begin, and where the tile does in them.
struct TileCorner { aStart: u32, bStart: u32, row: u32, column: u32 }

fn bufferOf(step: u32) -> u32 { return step / DEPTH % BUFFERS; }

// Both tiles of a step; past the last step they are zeros that nobody reads.
fn stage(thread: u32, corner: TileCorner, step: u32) {
  for (var i = thread; i < TILE_ROWS * DEPTH; i += THREADS) {
    let at = (bufferOf(step) * TILE_ROWS + i / DEPTH) * STRIDE + i % DEPTH;
    aTile[at] = loadA(corner.aStart, corner.row + i / DEPTH, step + i % DEPTH);
  }
  for (var i = thread; i < 4u * DEPTH * SIDE; i += THREADS) {
    let at = 4u * bufferOf(step) * DEPTH * SIDE + i;
    bTile[at] = loadB(corner.bStart, 4u * step + i / SIDE, corner.column + i % SIDE);
  }
}

// Rows and columns past the end repeat the last one, and are never stored; past the end of k there are zeros.
fn loadA(start: u32, row: u32, step: u32) -> vec4f {
  if (step >= params.k / 4u) { return vec4f(0.0); }
  return vec4f(a[(start + min(row, params.m - 1u)) * (params.k / 4u) + step]);
}

fn loadB(start: u32, k: u32, column: u32) -> vec4f {
  if (k >= params.k) { return vec4f(0.0); }
  let columns = params.n / 4u;
  return vec4f(b[(start + k) * columns + min(column, columns - 1u)]);
}
