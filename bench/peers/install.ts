import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DeviceError } from '../../src/core/errors.ts';
import { cacheFolder } from '../../src/device/cache-folder.ts';
import { bundleTfjs } from './bundle-tfjs.ts';
import { TFJS_BUNDLE } from './tfjs-bundle.ts';

/**
 * What the peers are, to the version. They take 600 MB, which nobody who does not compare should download, so they lie in
 * the cache folder and not among the dev dependencies. core-js: jax-js uses iterator helpers, which Node 20 lacks.
 */
const PACKAGES: Readonly<Record<string, string>> = {
  '@huggingface/transformers': '4.3.1',
  '@jax-js/jax': '0.1.25',
  '@tensorflow/tfjs-backend-cpu': '4.22.0',
  '@tensorflow/tfjs-backend-webgpu': '4.22.0',
  '@tensorflow/tfjs-core': '4.22.0',
  'core-js': '3.46.0',
  'onnxruntime-node': '1.30.0',
  'onnxruntime-web': '1.30.0',
};

/** In Node transformers.js never runs its own onnxruntime-web, which would take another 140 MB. */
const OVERRIDES = { '@huggingface/transformers': { 'onnxruntime-web': '$onnxruntime-web' } };

const CONTENTS = { private: true, type: 'module', dependencies: PACKAGES, overrides: OVERRIDES };
const MANIFEST = `${JSON.stringify(CONTENTS, null, 2)}\n`;
/** A module within the folder, so that packages resolve as they would for a user of them. */
const LOADER = 'export const load = (name) => import(name);\n';
const DONE = 'installed.json';

export const peersFolder = (): string => join(cacheFolder(), 'bench-peers');

/** The version of a package of the peers. */
export const peerVersion = (name: string): string => PACKAGES[name] ?? 'unknown';

/** Whether these versions are in the cache folder, whole. */
export async function arePeersInstalled(): Promise<boolean> {
  const done = await readFile(join(peersFolder(), DONE), 'utf8').catch(() => '');
  return done === MANIFEST;
}

/**
 * Installs the peers where they are not yet, from the registry that npm is set to; without their install scripts, since
 * that of onnxruntime-node downloads CUDA files. Throws DeviceError with npm's words where that fails.
 */
export async function installPeers(onProgress: (what: string) => void): Promise<string> {
  const folder = peersFolder();
  if (await arePeersInstalled()) {
    if (!existsSync(join(folder, TFJS_BUNDLE))) await bundleTfjs(folder);
    return folder;
  }
  onProgress(`installing peers into ${folder}`);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), MANIFEST);
  await writeFile(join(folder, 'load.js'), LOADER);
  await npmInstall(folder);
  if (!existsSync(join(folder, 'node_modules/onnxruntime-node')))
    throw new DeviceError(
      `bench: npm left no onnxruntime-node in ${folder}. Remove the folder and try again.`,
    );
  await bundleTfjs(folder);
  // Last, so that a cut installation is not taken for a whole one.
  await writeFile(join(folder, DONE), MANIFEST);
  return folder;
}

function npmInstall(folder: string): Promise<void> {
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const child = spawn('npm', args, { cwd: folder, shell: process.platform === 'win32' });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2000);
    });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new DeviceError(`bench: npm install in ${folder} ended with ${code}: ${said.trim()}`));
    });
  });
}
