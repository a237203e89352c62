import { required } from '../ops/op.ts';
import { CLIP_EPS, LOSS_SCALE_BOUNDS, optimizerControl } from '../ops/optimizer.ts';
import { f32Literal } from '../wgsl/literal.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel } from './kernel.ts';

/** One thread: it decides for all parameters. progress [4] in place, squaredNorm [], learningRate [1] → control [8]. */
export const optimizerControlThread = defineKernel({
  name: 'optimizer_control_thread',
  op: optimizerControl,
  bindings: { progress: 'read_write', squaredNorm: 'read', learningRate: 'read', control: 'write' },
  params: {
    logBeta1: 'f32',
    logBeta2: 'f32',
    clipNorm: 'f32',
    batches: 'f32',
    growthInterval: 'f32',
  },
  tuning: {},
  prepare({ inputs, attrs }) {
    required(inputs, 'progress', 'optimizer_control_thread');
    // A decay of 0 has no logarithm, and e to the power of -100 is 0 beside 1.
    const logOf = (beta: number): number => (beta > 0 ? Math.log(beta) : -100);
    return {
      params: {
        logBeta1: logOf(attrs.beta1),
        logBeta2: logOf(attrs.beta2),
        clipNorm: attrs.clipNorm ?? 0,
        batches: attrs.batches,
        growthInterval: attrs.growthInterval ?? 0,
      },
    };
  },
  supports: () => true,
  wgsl: () => wgsl`
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
        if (params.growthInterval > 0.0) { progress[1] = max(scale / 2.0, ${f32Literal(LOSS_SCALE_BOUNDS.min)}); }
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
      if (params.clipNorm > 0.0) { clipped = min(1.0, params.clipNorm / (norm + ${f32Literal(CLIP_EPS)})); }
      progress[0] = t;
      progress[2] += 1.0;
      if (params.growthInterval > 0.0 && progress[2] >= params.growthInterval) {
        progress[1] = min(2.0 * scale, ${f32Literal(LOSS_SCALE_BOUNDS.max)});
        progress[2] = 0.0;
      }
      control[1] = oneMinusExp(t * params.logBeta1);
      control[2] = oneMinusExp(t * params.logBeta2);
      control[3] = clipped / (scale * params.batches);
      control[6] = t;
      control[7] = progress[3];
    }
  `,
  dispatch: () => [1, 1, 1],
  cost: () => ({ flops: 32, bytesRead: 24, bytesWritten: 48 }),
});
