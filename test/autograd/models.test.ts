import { expect, test } from 'vitest';
import { grad } from '../../src/autograd/grad.ts';
import { compileTraining } from '../../src/compile/compile.ts';
import { elementCount } from '../../src/core/shape.ts';
import { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { activation, add, mul } from '../../src/graph/math.ts';
import { permute } from '../../src/graph/movement.ts';
import { reduceSum } from '../../src/graph/reduce.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { bindParameters } from '../../src/models/parameters.ts';
import { cAbstractor } from '../../src/models/projectors/c-abstractor.ts';
import { createSession } from '../../src/runtime/session.ts';
import { createStateStore } from '../../src/runtime/state-store.ts';
import { createWeightStore } from '../../src/runtime/weight-store.ts';
import { weightScope } from '../../src/weights/weight-scope.ts';
import { describeOnAdapters } from '../adapters.ts';
import { floats, openGoldenFile, relativeError } from '../models/part.ts';

/** Of torch's gradient, relative to its RMS. */
const TOLERANCE = 1e-3;

const C_ABSTRACTOR = {
  visionHiddenSize: 24,
  hiddenSize: 32,
  textHiddenSize: 40,
  tokenGrid: [4, 4],
  depth: 3,
  mlpDepth: 2,
  numPositions: 49,
} as const;

/** x + Wᵀ gelu(W x): [1, 256, 64] → same. */
function mlpLayer(x: Tensor, weight: Tensor): Tensor {
  const hidden = activation(linear(x, weight), 'gelu'); // [1, 256, 256]
  return add(x, linear(hidden, permute(weight, [1, 0])));
}

describeOnAdapters('the whole C-Abstractor', (getDevice) => {
  test('has the gradients of torch, for its input and each of its weights', async () => {
    const device = getDevice();
    const index = await openGoldenFile('c_abstractor/model.safetensors');
    const reference = await openGoldenFile('c_abstractor/reference.safetensors');
    const graph = new Graph();
    const w = bindParameters(graph, weightScope(index, 'golden'), {
      weights: 'f32',
      activations: 'f32',
      kvCache: 'f32',
    });
    const input = graph.input('input', [2, 49, 24], 'f32');
    const output = cAbstractor(input, C_ABSTRACTOR, w);
    const loss = reduceSum(mul(output, graph.input('grad_output', output.shape, 'f32')), [0, 1, 2]);
    const recorded = [...reference.keys()].filter((name) => name.startsWith('grad.'));
    const weights = recorded.map((name) => {
      const entry = index.get(name.slice('grad.'.length));
      if (!entry) throw new Error(`the golden has no weight for ${name}`);
      return graph.weight(entry.name, entry.shape, 'f32');
    });
    const names = ['grad_input', ...recorded];
    grad(loss, [input, ...weights]).forEach((gradient, i) => {
      graph.output(names[i] ?? '', gradient);
    });

    const store = createWeightStore(device, index);
    const states = createStateStore(device);
    const session = await createSession(device, compileTraining(graph, device.caps), {
      weights: store,
      states,
    });
    try {
      const values = await session.runAndRead(
        { input: await floats(reference, 'input'), grad_output: await floats(reference, 'grad_output') },
        names,
      );
      const wrong: string[] = [];
      for (const name of names) {
        const error = relativeError(values[name], await floats(reference, name));
        if (!(error <= TOLERANCE)) wrong.push(`${name}: ${error}`);
      }
      expect(wrong).toEqual([]);
      expect(names.length).toBeGreaterThan(60);
    } finally {
      for (const part of [session, store, states]) part.dispose();
    }
  });

  test('needs less memory where its stages are computed again', () => {
    const { caps } = getDevice();
    const scratch = (recompute?: RegExp): number => {
      const graph = new Graph();
      let x = graph.input('x', [1, 256, 64], 'f32');
      const weights = Array.from({ length: 12 }, (_, layer) => graph.weight(`w${layer}`, [256, 64], 'f32'));
      weights.forEach((weight, layer) => {
        x = graph.scope(`layers.${layer}`, () => mlpLayer(x, weight));
      });
      grad(reduceSum(mul(x, x), [0, 1, 2]), weights, { recompute }).forEach((gradient, i) => {
        graph.output(`grad.${i}`, reduceSum(gradient, [0, 1]));
      });
      const { buffers } = compileTraining(graph, caps);
      return buffers.reduce((sum, { kind, byteLength }) => (kind === 'arena' ? sum + byteLength : sum), 0);
    };
    const [whole, again] = [scratch(), scratch(/layers\.\d+/)];
    expect(again).toBeLessThan(whole / 2);
    // Twelve layers of [256, 256] activations, of which then one is alive at a time.
    expect(whole).toBeGreaterThan(12 * elementCount([256, 256]) * 4);
  });
});
