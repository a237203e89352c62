import { float16ToFloat32 } from '../../src/core/float16.ts';
import { type OnnxResult, onnxOnce, onnxRepeated, onnxVariants, takesInput } from './onnx-cases.ts';
import type { Peer, Realm } from './peer.ts';
import { caseValues, type PeerCase, tensorsOf } from './peer-case.ts';

interface OrtTensor {
  readonly type: string;
  readonly data: ArrayLike<number>;
}

interface OrtSession {
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

interface Ort {
  readonly env: {
    logLevel?: string;
    readonly versions: Readonly<Record<string, string | undefined>>;
    readonly wasm: { numThreads?: number; wasmPaths?: unknown };
  };
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
  readonly Tensor: new (type: string, data: Float32Array, dims: readonly number[]) => OrtTensor;
}

/** ONNX Runtime in Node, on its own WebGPU provider, which brings a Dawn of its own. */
export async function startOnnxruntimeNode({ load }: Realm): Promise<Peer> {
  const ort = withDefault(await load('onnxruntime-node'));
  return ortPeer(ort, ort.env.versions.node ?? '');
}

/** ONNX Runtime compiled to WebAssembly, its WebGPU provider on `navigator.gpu`. */
export async function startOnnxruntimeWeb({ load, fileUrl }: Realm): Promise<Peer> {
  const ort = withDefault(await load('onnxruntime-web/webgpu'));
  ort.env.wasm.numThreads = 1;
  const file = 'onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify';
  ort.env.wasm.wasmPaths = { mjs: fileUrl(`${file}.mjs`), wasm: fileUrl(`${file}.wasm`) };
  return ortPeer(ort, ort.env.versions.web ?? '');
}

/** What is CommonJS comes as a default export. */
const withDefault = (module: unknown): Ort => {
  const { default: inner } = module as { default?: Ort };
  return inner?.InferenceSession ? inner : (module as Ort);
};

function ortPeer(ort: Ort, version: string): Peer {
  ort.env.logLevel = 'error';
  return {
    version,
    variants: onnxVariants,
    async open(one, variant) {
      const feeds = takesInput(one) ? { x: inputOf(ort, one) } : {};
      const { model, result } = onnxOnce(one, variant);
      const once = await createSession(ort, model, one);
      const values = await readAll(once, feeds, result).finally(() => once.release());
      const repeated = await createSession(ort, onnxRepeated(one, variant), one);
      return {
        read: async () => values,
        run: async () => void (await repeated.run(feeds)),
        dispose: () => void repeated.release(),
      };
    },
  };
}

/** Blocks are optimised as a user's model would be; of constants alone the optimizer would leave a constant. */
const createSession = (ort: Ort, model: Uint8Array, one: PeerCase): Promise<OrtSession> =>
  ort.InferenceSession.create(model, {
    executionProviders: ['webgpu'],
    graphOptimizationLevel: takesInput(one) ? 'all' : 'disabled',
    logSeverityLevel: 3,
  });

function inputOf(ort: Ort, one: PeerCase): OrtTensor {
  return new ort.Tensor('float32', caseValues(one, 'x'), tensorsOf(one).x ?? []);
}

async function readAll(
  session: OrtSession,
  feeds: Readonly<Record<string, OrtTensor>>,
  { headsFirst }: OnnxResult,
): Promise<Float32Array> {
  const outputs = await session.run(feeds);
  const output = outputs[session.outputNames[0] ?? ''];
  if (!output) throw new Error('the session gave no output');
  // Where the platform has no Float16Array, halves come as their bits.
  const isBits = output.type === 'float16' && output.data instanceof Uint16Array;
  const values = Float32Array.from(output.data, (value) => (isBits ? float16ToFloat32(value) : value));
  if (!headsFirst) return values;
  const { heads, seq, headDim } = headsFirst;
  return values.map((_, i) => {
    const [d, h, s] = [i % headDim, Math.floor(i / headDim) % heads, Math.floor(i / (headDim * heads))];
    return values[(h * seq + s) * headDim + d] ?? Number.NaN;
  });
}
