struct Params {
  count: u32,
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
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

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

  let column = i % params.outWidth;
  let row = i / params.outWidth % params.outHeight;
  let outChannel = i / (params.outWidth * params.outHeight) % params.outChannels;
  let picture = i / (params.outWidth * params.outHeight * params.outChannels);

  let groups = params.channels / params.groupChannels;
  let group = outChannel / (params.outChannels / groups);
  let firstPlane = picture * params.channels + group * params.groupChannels;
  let top = i32(row * params.stride) - params.padding;
  let left = i32(column * params.stride) - params.padding;

  var sum = f32(bias[outChannel]);
  var tap = outChannel * params.groupChannels * params.kernelHeight * params.kernelWidth;
  for (var c = 0u; c < params.groupChannels; c++) {
    for (var ky = 0u; ky < params.kernelHeight; ky++) {
      for (var kx = 0u; kx < params.kernelWidth; kx++) {
        // Beyond the edge, also before it: a negative place is a huge one when unsigned.
        let r = u32(top + i32(ky));
        let k = u32(left + i32(kx));
        if (r < params.height && k < params.width) {
          let pixel = x[((firstPlane + c) * params.height + r) * params.width + k];
          sum += f32(pixel) * f32(weight[tap]);
        }
        tap++;
      }
    }
  }
  y[i] = f32(sum);
}
