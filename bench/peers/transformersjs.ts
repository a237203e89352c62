import { type ModelAnswer, type ModelCase, openModelCase, PROMPT } from './model-case.ts';
import type { LoadPackage, ModelPeer, OpenPeerCase, Peer, Realm } from './peer.ts';

type Inputs = Readonly<Record<string, unknown>>;

interface Generate extends Inputs {
  readonly max_new_tokens: number;
  readonly do_sample: false;
  readonly streamer: { put(ids: unknown): void; end(): void };
}

interface Model {
  generate(options: Generate): Promise<{ tolist(): bigint[][] }>;
  dispose(): Promise<unknown>;
}

interface Transformers {
  readonly env: { version: string; allowRemoteModels: boolean; localModelPath: string };
  readonly AutoTokenizer: { from_pretrained(name: string): Promise<(text: string) => Inputs> };
  readonly AutoModelForCausalLM: { from_pretrained(name: string, options: object): Promise<Model> };
}

/** In `onnx`, by what they are for: attention as a fused op comes before attention of plain ops. */
const FILES = ['model', 'plain'] as const;

/** transformers.js in Node, on the WebGPU provider of its onnxruntime-node. It has whole models alone. */
export async function startTransformers({ load }: Realm): Promise<Peer> {
  const { env } = await loadTransformers(load);
  const open = () => Promise.reject(new Error('transformers.js has whole models alone'));
  return { version: env.version, variants: () => 0, open, models: transformersModels(load, 'webgpu') };
}

/** On the device of that name: `cpu` is what WebGPU engines are held to. */
export function transformersModels(load: LoadPackage, device: 'webgpu' | 'cpu'): ModelPeer {
  let opened: { readonly key: string; readonly model: Model } | undefined;
  return {
    variants: () => FILES.length,
    async open(one, variant) {
      const transformers = await loadTransformers(load);
      const { folder } = one;
      const cut = folder.lastIndexOf('/') + 1;
      transformers.env.allowRemoteModels = false;
      transformers.env.localModelPath = folder.slice(0, cut);
      const name = folder.slice(cut);
      const key = `${folder} ${variant}`;
      if (opened?.key !== key) {
        await opened?.model.dispose();
        opened = undefined;
        const options = { device, dtype: 'fp32', model_file_name: FILES[variant] };
        opened = { key, model: await transformers.AutoModelForCausalLM.from_pretrained(name, options) };
      }
      return openAnswers(one, await transformers.AutoTokenizer.from_pretrained(name), opened.model);
    },
  };
}

function openAnswers(one: ModelCase, tokenizer: (text: string) => Inputs, model: Model): OpenPeerCase {
  return openModelCase(one, (newTokens): ModelAnswer => {
    let puts = 0;
    let tellFirst: () => void = () => undefined;
    const first = new Promise<void>((resolve) => {
      tellFirst = resolve;
    });
    // The prompt is put before the first token.
    const put = (): void => void (++puts === 2 && tellFirst());
    const streamer = { put, end: () => undefined };
    const ids = model
      .generate({ ...tokenizer(PROMPT), max_new_tokens: newTokens, do_sample: false, streamer })
      .then((tensor) => (tensor.tolist()[0] ?? []).map(Number));
    return { first: Promise.race([first, ids]), ids };
  });
}

const loadTransformers = async (load: LoadPackage): Promise<Transformers> =>
  (await load('@huggingface/transformers')) as Transformers;
