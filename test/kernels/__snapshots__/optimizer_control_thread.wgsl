struct Params {
  logBeta1: f32,
  logBeta2: f32,
  clipNorm: f32,
  batches: f32,
  growthInterval: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> progress: array<f32>;
@group(0) @binding(2) var<storage, read> squaredNorm: array<f32>;
@group(0) @binding(3) var<storage, read> learningRate: array<f32>;
@group(0) @binding(4) var<storage, read_write> control: array<f32>;

// By its bits: compilers may take comparisons to mean that there are no infinities.
fn isFinite(value: f32) -> bool { return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u; }

// 1 - e^x for x below 0. Near 0 the difference loses its digits, which the series does not.
fn oneMinusExp(x: f32) -> f32 {
  if (x < -0.5) { return 1.0 - exp(x); }
  return -x * (1.0 + x / 2.0 * (1.0 + x / 3.0 * (1.0 + x / 4.0 * (1.0 + x / 5.0 * (1.0 + x / 6.0 * (1.0 + x / 7.0))))));
}

@compute @workgroup_size(1)
fn main() {
  let steps = progress[0];
  let scale = progress[1];
  let norm = sqrt(squaredNorm[0]) / (scale * params.batches);
  control[0] = learningRate[0];
  control[4] = norm;
  control[5] = scale;
  if (!isFinite(norm)) {
    if (params.growthInterval > 0.0) { progress[1] = max(scale / 2.0, 1.0); }
    progress[2] = 0.0;
    progress[3] += 1.0;
    control[1] = 1.0;
    control[2] = 1.0;
    control[3] = 0.0;
    control[6] = steps;
    control[7] = progress[3];
    return;
  }
  let t = steps + 1.0;
  var clipped = 1.0;
  if (params.clipNorm > 0.0) { clipped = min(1.0, params.clipNorm / (norm + 0.000001)); }
  progress[0] = t;
  progress[2] += 1.0;
  if (params.growthInterval > 0.0 && progress[2] >= params.growthInterval) {
    progress[1] = min(2.0 * scale, 16777216.0);
    progress[2] = 0.0;
  }
  control[1] = oneMinusExp(t * params.logBeta1);
  control[2] = oneMinusExp(t * params.logBeta2);
  control[3] = clipped / (scale * params.batches);
  control[6] = t;
  control[7] = progress[3];
}
