struct Params {
  count: u32,
  columns: u32,
  firstRow: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> weight: array<u32>;
@group(0) @binding(3) var<storage, read_write> errors: array<vec2<f32>>;

fn loadElement(i: u32) -> f32 {
  return bitcast<f32>(words[i]);
}

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

const BLOCK_WORDS = 8u;
const ZERO = 128.0;
const FACTORS = array(0.007874016);

var<private> blockValues: array<f32, 32>;

const WORKGROUP_SIZE = 64u;
const LANES = 1u;

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let i = workgroupIndex(workgroupId, numWorkgroups) * WORKGROUP_SIZE + thread;
  if (i >= params.count / LANES) { return; }

  let blocks = (params.columns + 31u) / 32u;
  let pairs = (blocks + 1u) / 2u;
  let rowWords = blocks * BLOCK_WORDS + 4u * ((blocks + 7u) / 8u);
  let row = i / pairs;
  let start = (params.firstRow + row) * rowWords;
  var scales = 0u;
  var squares = vec2f(0.0);
  for (var side = 0u; side < 2u; side++) {
    let b = 2u * (i % pairs) + side;
    if (b >= blocks) { break; }
    let largest = loadBlock(row * params.columns, 32u * b);
    let scale = chooseScale(largest);
    let scaleBits = bitcast<u32>(scale);
    squares += storeBlock(start + b * BLOCK_WORDS, scale);
    scales |= (scaleBits >> 16u) << (16u * side);
  }
  weight[start + blocks * BLOCK_WORDS + i % pairs] = scales;
  errors[i] = squares;
}

// Fills the block, with zeros past the row's end; returns its value of largest magnitude.
fn loadBlock(rowStart: u32, column: u32) -> f32 {
  var largest = 0.0;
  for (var j = 0u; j < 32u; j++) {
    var value = 0.0;
    if (column + j < params.columns) { value = loadElement(rowStart + column + j); }
    blockValues[j] = value;
    largest = select(largest, value, abs(value) > abs(largest));
  }
  return largest;
}

fn chooseScale(largest: f32) -> f32 {
  var best = 0.0;
  if (abs(largest) < 1e-30) { return best; }
  var leastError = 0.0;
  for (var c = 0u; c < 1u; c++) {
    // To bfloat16, ties to even.
    let bits = bitcast<u32>(largest * FACTORS[c]);
    let scale = bitcast<f32>((bits + 0x7fffu + ((bits >> 16u) & 1u)) & 0xffff0000u);
    let inverse = 1.0 / scale;
    var error = 0.0;
    for (var j = 0u; j < 32u; j++) {
      let difference = blockValues[j] - quantized(blockValues[j], inverse) * scale;
      error += difference * difference;
    }
    if (c == 0u || error < leastError) {
      leastError = error;
      best = scale;
    }
  }
  return best;
}

fn quantized(value: f32, inverse: f32) -> f32 {
  return clamp(round(value * inverse), -ZERO, ZERO - 1.0);
}

// Writes the block's integers; returns the sums of squared errors and of squared values.
fn storeBlock(start: u32, scale: f32) -> vec2f {
  var squares = vec2f(0.0);
  var inverse = 0.0;
  if (scale != 0.0) { inverse = 1.0 / scale; }
  for (var w = 0u; w < BLOCK_WORDS; w++) {
    var packed = 0u;
    for (var j = 0u; j < 32u / BLOCK_WORDS; j++) {
      let value = blockValues[w * (32u / BLOCK_WORDS) + j];
      let integer = quantized(value, inverse);
      let difference = value - integer * scale;
      squares += vec2f(difference * difference, value * value);
      packed |= u32(integer + ZERO) << (8u * j);
    }
    weight[start + w] = packed;
  }
  return squares;
}
