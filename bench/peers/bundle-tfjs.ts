import { join } from 'node:path';
import { build } from 'esbuild';
import { TFJS_BUNDLE } from './tfjs-bundle.ts';

/** TensorFlow.js with its WebGPU backend and all gradients, most of which the package's main file leaves out. */
export const TFJS_ENTRY = `
  import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
  import '@tensorflow/tfjs-backend-webgpu';
  export * from '@tensorflow/tfjs-core';
`;

/** Node can't import the package's modules one by one: they leave out file extensions. */
export async function bundleTfjs(folder: string): Promise<void> {
  await build({
    stdin: { contents: TFJS_ENTRY, resolveDir: folder, sourcefile: 'tfjs.js' },
    outfile: join(folder, TFJS_BUNDLE),
    bundle: true,
    format: 'esm',
    platform: 'node',
    mainFields: ['module', 'main'],
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
    },
    logLevel: 'silent',
  });
}
