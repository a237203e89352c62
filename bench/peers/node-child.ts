/** An engine in a process of its own, which its parent talks to: `node-child.ts NAME FOLDER [ADAPTER]`. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNodeAdapter } from '../../src/device/node-gpu.ts';
import { OURS, REFERENCE } from './names.ts';
import type { LoadPackage, PeerRequest } from './peer.ts';
import { PEERS, type PeerEntry } from './peers.ts';
import { startReference } from './result-check.ts';
import { servePeer } from './serve-peer.ts';

const [name = '', folder = '', adapter] = process.argv.slice(2);

/** What engines written for pages expect of one: `navigator.gpu`, and WebGPU's names as globals. */
async function actAsPage(load: LoadPackage): Promise<void> {
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  copySharedWrites();
  const gpu = {
    requestAdapter: async () => (await findNodeAdapter(adapter)).adapter,
    getPreferredCanvasFormat: () => 'rgba8unorm',
    wgslLanguageFeatures: new Set<string>(),
  };
  const navigator = { gpu, userAgent: 'node', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
  await load('core-js/actual/iterator/index.js');
}

/** Dawn in Node refuses views of shared memory, which a WebAssembly heap may be. */
function copySharedWrites(): void {
  const { prototype } = globalThis.GPUQueue as unknown as { prototype: GPUQueue };
  const write = prototype.writeBuffer;
  prototype.writeBuffer = function (buffer, at, data, first, count) {
    const unit = (data as Partial<Uint8Array>).BYTES_PER_ELEMENT ?? 1;
    const isView = ArrayBuffer.isView(data);
    const memory: ArrayBufferLike = isView ? data.buffer : data;
    if (memory instanceof ArrayBuffer) {
      return write.call(this, buffer, at, data as GPUAllowSharedBufferSource, first, count);
    }
    const begin = (isView ? data.byteOffset : 0) + (first ?? 0) * unit;
    const end = count === undefined ? (isView ? data.byteOffset : 0) + data.byteLength : begin + count * unit;
    return write.call(this, buffer, at, Uint8Array.from(new Uint8Array(memory, begin, end - begin)));
  };
}

async function main(): Promise<void> {
  const entry: Pick<PeerEntry, 'start'> | undefined =
    name === REFERENCE ? { start: startReference } : PEERS[name];
  if (!entry) throw new Error(`there is no peer "${name}"`);
  const load: LoadPackage = async (wanted) => {
    const loader = (await import(pathToFileURL(join(folder, 'load.js')).href)) as { load: LoadPackage };
    return loader.load(wanted);
  };
  // onnxruntime-node, which transformers.js runs on, has a Dawn of its own; two in a process would share nothing but names.
  if (![OURS, REFERENCE, 'onnxruntime-node', 'transformers.js'].includes(name)) await actAsPage(load);
  const fileUrl = (file: string): string => pathToFileURL(join(folder, 'node_modules', file)).href;
  const serve = servePeer(await entry.start({ load, adapter: adapter || undefined, fileUrl }));
  process.on('message', (request: PeerRequest) => void serve(request).then((reply) => process.send?.(reply)));
}

await main().then(
  () => process.send?.({ ok: true, value: 0 }),
  (error: Error) => {
    process.send?.({ ok: false, reason: error.message });
    process.exitCode = 1;
    process.disconnect();
  },
);
