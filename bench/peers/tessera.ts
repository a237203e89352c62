import { requestDevice } from '../../src/device/request-device.ts';
import { attention } from '../../src/graph/attention.ts';
import { cacheAppend } from '../../src/graph/cache-append.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { linear } from '../../src/graph/linear.ts';
import { matmul } from '../../src/graph/matmul.ts';
import { layerNorm } from '../../src/graph/norm.ts';
import { softmax } from '../../src/graph/softmax.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { decoderLayers, visionLayer } from '../block-cases.ts';
import { type KernelCase, kernelCase, type Operand } from '../kernel-case.ts';
import { operandParameters } from '../operand-parameters.ts';
import type { Peer, Realm } from './peer.ts';
import {
  caseValues,
  EPS,
  type OpOf,
  type PeerCase,
  peerCaseName,
  shapeName,
  tensorsOf,
} from './peer-case.ts';
import { tesseraModels } from './tessera-models.ts';
import { openTraining, trainingGraph } from './tessera-train.ts';

/** A case that is one pass. */
type Forward = Exclude<PeerCase, OpOf<'train step'>>;

/** Its graph, of which costs are counted. */
export const graphOf = async (one: PeerCase): Promise<Graph> =>
  one.op === 'train step' ? trainingGraph(one) : tesseraCase(one).graph();

/** This engine, through the same door as the others. */
export async function startTessera({ adapter }: Realm): Promise<Peer> {
  const device = await requestDevice({ adapter });
  return {
    version: device.caps.adapterName,
    variants: ({ dtype }) => (dtype === 'f16' && !device.caps.features.shaderF16 ? 0 : 1),
    models: tesseraModels(device),
    async open(one) {
      if (one.op === 'train step') return openTraining(device, one);
      const open = await tesseraCase(one).open(device);
      const { session, inputs } = open;
      return {
        read: async () => Float32Array.from((await session.runAndRead(inputs, ['y0'])).y0 ?? []),
        async run() {
          session.run(inputs);
          await device.onSubmittedWorkDone();
        },
        dispose: open.dispose,
      };
    },
  };
}

/** The case as Tessera runs it: also what gives its cost and, in f64, its expected result. */
export function tesseraCase(one: Forward): KernelCase {
  return kernelCase({
    op: one.op,
    shape: shapeName(one),
    dtype: one.dtype,
    copies: one.reps,
    values: (name) => caseValues(one, name),
    build: (operand) => buildCase(one, operand),
    ...(one.op === 'decoder step' ? { prepare: (operand, graph) => fillCache(one, operand, graph) } : {}),
  });
}

function buildCase(one: Forward, operand: Operand): Tensor {
  const storage = one.dtype === 'f16' ? 'f16' : 'f32';
  const shapes = tensorsOf(one);
  const of = (name: string): Tensor => {
    const shape = shapes[name];
    if (!shape) throw new Error(`${peerCaseName(one)} has no operand "${name}"`);
    return operand(name, shape, name === 'weight' && one.op === 'matvec' ? one.dtype : storage);
  };
  switch (one.op) {
    case 'matmul':
      return matmul(of('a'), of('b'));
    case 'matvec':
      return linear(of('x'), of('weight'));
    case 'softmax':
      return softmax(of('x'));
    case 'layernorm':
      return layerNorm(of('x'), of('weight'), of('bias'), EPS);
    case 'attention':
      return attention(of('q'), of('k'), of('v'), { causal: one.causal });
    case 'vit block':
      return visionLayer(
        of('x'),
        {
          name: 'vit block',
          family: 'clip',
          seq: one.seq,
          hiddenSize: one.hidden,
          numAttentionHeads: one.heads,
          intermediateSize: one.mlp,
        },
        operandParameters(operand, storage),
      );
    default:
      return decoderLayers(
        of('x'),
        decoderSizesOf(one),
        { layers: one.layers, past: one.past, capacity: one.past + 1 },
        operandParameters(operand, storage),
      );
  }
}

const decoderSizesOf = ({ hidden, heads, kvHeads, mlp }: OpOf<'decoder step'>) => ({
  name: 'decoder step',
  family: 'llama' as const,
  hiddenSize: hidden,
  numAttentionHeads: heads,
  numKeyValueHeads: kvHeads,
  headDim: hidden / heads,
  intermediateSize: mlp,
  vocabSize: 1,
});

/** Puts the tokens before this one into the cache. */
function fillCache(one: OpOf<'decoder step'>, operand: Operand, graph: Graph): void {
  const past = graph.constant('past', Uint32Array.of(0), [1]);
  for (const [name, shape] of Object.entries(tensorsOf(one))) {
    if (!name.startsWith('past.')) continue;
    const [, tokens = 0, heads = 0, headDim = 0] = shape;
    const state = graph.state(name.replace('past', 'kv'), [1, tokens + 1, heads, headDim], 'f32');
    graph.output(`filled ${name}`, cacheAppend(state, operand(name, shape), past));
  }
}
