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
@group(0) @binding(2) var<storage, read> x: array<f32>;
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

  let kx = i % params.kernelWidth;
  let ky = i / params.kernelWidth % params.kernelHeight;
  let c = i / (params.kernelWidth * params.kernelHeight) % params.groupChannels;
  let o = i / (params.kernelWidth * params.kernelHeight * params.groupChannels);
  let groups = params.channels / params.groupChannels;
  let channel = o / (params.outChannels / groups) * params.groupChannels + c;

  var sum = 0.0;
  for (var picture = 0u; picture < params.batch; picture++) {
    let outPlane = (picture * params.outChannels + o) * params.outHeight;
    let plane = (picture * params.channels + channel) * params.height;
    for (var row = 0u; row < params.outHeight; row++) {
      // Beyond the edge, also before it: a negative place is a huge one when unsigned.
      let r = u32(i32(row * params.stride + ky) - params.padding);
      if (r >= params.height) { continue; }
      for (var column = 0u; column < params.outWidth; column++) {
        let k = u32(i32(column * params.stride + kx) - params.padding);
        if (k >= params.width) { continue; }
        let pixel = f32(x[(plane + r) * params.width + k]);
        sum += f32(dy[(outPlane + row) * params.outWidth + column]) * pixel;
      }
    }
  }
  y[i] = sum;
}
