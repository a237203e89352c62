struct Params {
  rows: u32,
  vocab: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> sampling: array<u32>;
@group(0) @binding(3) var<storage, read_write> ids: array<u32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

fn pcg4d(seed: vec4u) -> vec4u {
  var v = seed * 1664525u + 1013904223u;
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  v ^= v >> vec4u(16u);
  v.x += v.y * v.w;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v.w += v.y * v.z;
  return v;
}

fn exponential(hash: u32) -> f32 {
  let u = (f32(hash) + 0.5) * 2.3283064365386963e-10;
  // log is inexact near 1, and small values decide a race between many tokens: a series there.
  let series = u * (1.0 + u * (0.5 + u * (0.33333334 + u * (0.25 + u * 0.2))));
  return select(-log(max(1.0 - u, 2.9802322e-8)), series, u < 0.1);
}

var<workgroup> histogram: array<atomic<u32>, 256>;
var<workgroup> crossingBin: u32;
var<workgroup> crossingGoal: u32;

struct Selection {
  key: u32,
  mask: u32,
  goal: u32,
}

fn beginSelection(goal: u32) -> Selection {
  return Selection(0u, 0u, goal);
}

// Unsigned integers in the order of the floats they are made from; both zeros are one.
fn orderedKey(value: f32) -> u32 {
  let bits = bitcast<u32>(select(value, 0.0, value == 0.0));
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn clearHistogram(thread: u32) {
  atomicStore(&histogram[thread], 0u);
  workgroupBarrier();
}

fn countKey(selection: Selection, shift: u32, key: u32, weight: u32) {
  if ((key & selection.mask) == selection.key) {
    atomicAdd(&histogram[(key >> shift) & 0xffu], weight);
  }
}

fn narrowSelection(selection: Selection, shift: u32, thread: u32) -> Selection {
  workgroupBarrier();
  if (thread == 0u) {
    var bin = 255u;
    var goal = selection.goal;
    for (var weight = atomicLoad(&histogram[bin]); bin > 0u && weight < goal; ) {
      goal -= weight;
      bin--;
      weight = atomicLoad(&histogram[bin]);
    }
    crossingBin = bin;
    crossingGoal = goal;
  }
  workgroupBarrier();
  let narrowed = Selection(
    selection.key | (crossingBin << shift),
    selection.mask | (0xffu << shift),
    crossingGoal,
  );
  workgroupBarrier();
  return narrowed;
}

var<workgroup> argmaxValues: array<f32, 256>;
var<workgroup> argmaxIndices: array<u32, 256>;

fn workgroupArgmax(value: f32, index: u32, thread: u32) -> u32 {
  argmaxValues[thread] = value;
  argmaxIndices[thread] = index;
  workgroupBarrier();
  for (var stride = 128u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let otherValue = argmaxValues[thread + stride];
      let otherIndex = argmaxIndices[thread + stride];
      let ties = otherValue == argmaxValues[thread] && otherIndex < argmaxIndices[thread];
      if (otherValue > argmaxValues[thread] || ties) {
        argmaxValues[thread] = otherValue;
        argmaxIndices[thread] = otherIndex;
      }
    }
    workgroupBarrier();
  }
  let result = argmaxIndices[0];
  workgroupBarrier();
  return result;
}

var<workgroup> workgroupSumScratch: array<f32, 256>;

fn workgroupSum(value: f32, thread: u32) -> f32 {
  workgroupSumScratch[thread] = value;
  workgroupBarrier();
  for (var stride = 128u; stride > 0u; stride >>= 1u) {
    if (thread < stride) {
      let a = workgroupSumScratch[thread];
      let b = workgroupSumScratch[thread + stride];
      workgroupSumScratch[thread] = a + b;
    }
    workgroupBarrier();
  }
  let result = workgroupSumScratch[0];
  workgroupBarrier();
  return result;
}

const WORKGROUP_SIZE = 256u;
const LOWEST = -3.4028234e38;

struct Sampling {
  temperature: f32,
  topK: u32,
  topP: f32,
  minP: f32,
  repetitionPenalty: f32,
  seed: vec2u,
  step: u32,
}

fn samplingOf(row: u32) -> Sampling {
  let at = row * 8u;
  return Sampling(
    bitcast<f32>(sampling[at]),
    sampling[at + 1u],
    bitcast<f32>(sampling[at + 2u]),
    bitcast<f32>(sampling[at + 3u]),
    bitcast<f32>(sampling[at + 4u]),
    vec2u(sampling[at + 5u], sampling[at + 6u]),
    sampling[at + 7u],
  );
}

fn scoreOf(row: u32, token: u32, repetitionPenalty: f32) -> f32 {
  let at = row * params.vocab + token;
  return max(f32(logits[at]), LOWEST);
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(
  @builtin(workgroup_id) workgroupId: vec3u,
  @builtin(num_workgroups) numWorkgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = workgroupIndex(workgroupId, numWorkgroups);
  if (row >= params.rows) { return; }
  let how = samplingOf(row);
  let penalty = how.repetitionPenalty;
  // Not zero even where it is unused, since a division by zero may trap.
  let temperature = select(1.0, how.temperature, how.temperature > 0.0);

  var best = LOWEST;
  var bestToken = max(thread, params.vocab);
  for (var i = thread; i < params.vocab; i += WORKGROUP_SIZE) {
    let score = scoreOf(row, i, penalty);
    if (score > best || i == thread) {
      best = score;
      bestToken = i;
    }
  }
  let greedyToken = workgroupArgmax(best, bestToken, thread);
  if (how.temperature == 0.0) {
    if (thread == 0u) { ids[row] = greedyToken; }
    return;
  }
  let maxScore = scoreOf(row, greedyToken, penalty);

  var lowestKey = 0u;
  if (how.topK > 0u && how.topK < params.vocab) {
    var selection = beginSelection(how.topK);
    for (var digit = 4u; digit > 0u; digit--) {
      let shift = 8u * (digit - 1u);
      clearHistogram(thread);
      for (var i = thread; i < params.vocab; i += WORKGROUP_SIZE) {
        countKey(selection, shift, orderedKey(scoreOf(row, i, penalty)), 1u);
      }
      selection = narrowSelection(selection, shift, thread);
    }
    lowestKey = selection.key;
  }

  if (how.topP < 1.0) {
    var threadMass = 0.0;
    for (var i = thread; i < params.vocab; i += WORKGROUP_SIZE) {
      let score = scoreOf(row, i, penalty);
      if (orderedKey(score) >= lowestKey) { threadMass += exp((score - maxScore) / temperature); }
    }
    let unit = 2147483648.0 / workgroupSum(threadMass, thread);

    var selection = beginSelection(max(u32(how.topP * 2147483648.0), 1u));
    for (var digit = 4u; digit > 0u; digit--) {
      let shift = 8u * (digit - 1u);
      clearHistogram(thread);
      for (var i = thread; i < params.vocab; i += WORKGROUP_SIZE) {
        let score = scoreOf(row, i, penalty);
        let key = orderedKey(score);
        if (key >= lowestKey) {
          countKey(selection, shift, key, u32(exp((score - maxScore) / temperature) * unit + 0.5));
        }
      }
      selection = narrowSelection(selection, shift, thread);
    }
    lowestKey = max(lowestKey, selection.key);
  }

  var lowestScore = LOWEST;
  if (how.minP > 0.0) { lowestScore = maxScore + temperature * log(how.minP); }

  best = LOWEST;
  bestToken = greedyToken;
  for (var i = thread; i < params.vocab; i += WORKGROUP_SIZE) {
    let score = scoreOf(row, i, penalty);
    if (orderedKey(score) >= lowestKey && score >= lowestScore) {
      let perturbed = score / temperature - log(exponential(pcg4d(vec4u(how.seed, how.step, i)).x));
      if (perturbed > best) {
        best = perturbed;
        bestToken = i;
      }
    }
  }
  let token = workgroupArgmax(best, bestToken, thread);
  if (thread == 0u) { ids[row] = token; }
}
