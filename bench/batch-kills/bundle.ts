import { build } from 'esbuild';

/** One file for Node of a program and all it imports but packages: it starts in a tenth of the time that tsx takes. */
export async function bundleProgram(entry: string, outfile: string): Promise<string> {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  return outfile;
}
