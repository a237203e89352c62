struct Params {
  count: u32,
  batch: u32,
  channels: u32,
  height: u32,
  width: u32,
  outChannels: u32,
  outHeight: u32,
  outWidth: u32,
  groupChannels: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  stride: u32,
  padding: i32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn workgroupIndex(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}

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

  let column = i32(i % params.width) + params.padding;
  let row = i32(i / params.width % params.height) + params.padding;
  let channel = i / (params.width * params.height) % params.channels;
  let picture = i / (params.width * params.height * params.channels);
  let groups = params.channels / params.groupChannels;
  let groupOut = params.outChannels / groups;
  let group = channel / params.groupChannels;

  var sum = 0.0;
  for (var o = group * groupOut; o < (group + 1u) * groupOut; o++) {
    let plane = (picture * params.outChannels + o) * params.outHeight;
    let firstTap = (o * params.groupChannels + channel % params.groupChannels) * params.kernelHeight;
    for (var ky = 0u; ky < params.kernelHeight; ky++) {
      // The result at this place that the tap reads this pixel for, where there is one.
      let top = row - i32(ky);
      let r = u32(top) / params.stride;
      if (top < 0 || u32(top) % params.stride != 0u || r >= params.outHeight) { continue; }
      for (var kx = 0u; kx < params.kernelWidth; kx++) {
        let left = column - i32(kx);
        let k = u32(left) / params.stride;
        if (left < 0 || u32(left) % params.stride != 0u || k >= params.outWidth) { continue; }
        let tap = f32(weight[(firstTap + ky) * params.kernelWidth + kx]);
        sum += f32(dy[(plane + r) * params.outWidth + k]) * tap;
      }
    }
  }
  y[i] = sum;
}
