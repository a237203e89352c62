import { DTYPE_BYTES } from '../core/dtype.ts';
import { dim } from '../core/shape.ts';
import { required } from '../ops/op.ts';
import { sampleToken } from '../ops/sampling.ts';
import { workgroupArgmax } from '../wgsl/argmax.ts';
import { workgroupIndex } from '../wgsl/dispatch.ts';
import { workgroupSum } from '../wgsl/reduce.ts';
import { pcg4d, selectKey } from '../wgsl/sampling.ts';
import { wgsl } from '../wgsl/wgsl.ts';
import { defineKernel, spreadWorkgroups } from './kernel.ts';

/** One per radix bin of the selection. */
const WORKGROUP_SIZE = 256;

/**
 * Draws a token per row, one workgroup each. topK, topP and minP each become a lower bound on scores: the first two
 * by radix selection over the ordered bits of f32, 8 bits a pass, with counts or with probabilities in units of
 * 2^-31 as weights. Those are integers, so that sums do not depend on the order of threads and a seed repeats.
 * The draw is Gumbel-max over what is left: argmax of score / temperature - log(E), E exponential.
 */
export const sampleTokenRadix = defineKernel({
  name: 'sample_token_radix',
  op: sampleToken,
  bindings: { logits: 'read', seen: 'read?', sampling: 'read', ids: 'write' },
  params: { rows: 'u32', vocab: 'u32' },
  tuning: {},
  prepare({ inputs }) {
    const { shape } = required(inputs, 'logits', 'sample_token_radix');
    return { params: { rows: dim(shape, 0), vocab: dim(shape, 1) }, variant: { seen: 'seen' in inputs } };
  },
  supports: (_call, _t, caps) =>
    WORKGROUP_SIZE <= caps.limits.maxComputeInvocationsPerWorkgroup ||
    `workgroup of ${WORKGROUP_SIZE} is over the adapter's limit`,
  wgsl: ({ variant }) => wgsl`
    ${workgroupIndex}${pcg4d}${selectKey}${workgroupArgmax(WORKGROUP_SIZE)}${workgroupSum(WORKGROUP_SIZE)}
    const WORKGROUP_SIZE = ${WORKGROUP_SIZE}u;
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
      ${variant.seen ? PENALIZED : PLAIN}
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
  `,
  dispatch: ({ params }) => spreadWorkgroups(params.rows),
  cost({ params, dtypes }) {
    // Eleven passes where everything is switched on; the row stays in cache after the first.
    const elements = params.rows * params.vocab;
    const bytes =
      DTYPE_BYTES[required(dtypes, 'logits', 'sample_token_radix')] + (dtypes.seen ? DTYPE_BYTES.u32 : 0);
    return { flops: 40 * elements, bytesRead: elements * bytes, bytesWritten: params.rows * DTYPE_BYTES.u32 };
  },
});

const PLAIN = wgsl`return max(f32(logits[at]), LOWEST);`;

const PENALIZED = wgsl`
  let score = f32(logits[at]);
  let penalized = select(score / repetitionPenalty, score * repetitionPenalty, score < 0.0);
  return max(select(score, penalized, seen[at] != 0u), LOWEST);
`;
