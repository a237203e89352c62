/** What a page pays: bundles as esbuild makes and minifies them, compressed as a server does. */
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** Of the tensor engine: "60 KB". */
const ENGINE_BYTES = 60_000;

interface Bundle {
  /** Compressed bytes of what loads at once: the entry and all that it imports statically. */
  readonly byteLength: number;
  /** Modules of it and their bytes before compression, the largest first. */
  readonly modules: readonly (readonly [path: string, bytes: number])[];
}

async function bundle(program: string): Promise<Bundle> {
  const { metafile, outputFiles, warnings } = await build({
    stdin: { contents: program, resolveDir: '.', sourcefile: 'program.ts', loader: 'ts' },
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    outdir: '.',
    write: false,
    metafile: true,
  });
  expect(warnings).toEqual([]);
  const { outputs } = metafile;
  const loaded = new Set(Object.keys(outputs).filter((path) => outputs[path]?.entryPoint === 'program.ts'));
  for (const path of loaded) {
    for (const { kind, path: imported } of outputs[path]?.imports ?? [])
      if (kind === 'import-statement') loaded.add(imported);
  }
  const files = outputFiles.filter(({ path }) => [...loaded].some((name) => path.endsWith(`/${name}`)));
  expect(files.length).toBe(loaded.size);
  return {
    byteLength: files.reduce((sum, { contents }) => sum + gzipSync(contents, { level: 9 }).length, 0),
    modules: [...loaded]
      .flatMap((path) => Object.entries(outputs[path]?.inputs ?? {}))
      .map(([path, { bytesInOutput }]) => [path, bytesInOutput] as const)
      .filter(([, bytes]) => bytes > 0)
      .sort(([, a], [, b]) => b - a),
  };
}

const largest = ({ byteLength, modules }: Bundle): string =>
  `${byteLength} bytes; the largest modules are\n${modules
    .slice(0, 25)
    .map(([path, bytes]) => `${String(bytes).padStart(7)} ${path}`)
    .join('\n')}`;

test(`the tensor engine is at most ${ENGINE_BYTES / 1000} KB`, async () => {
  const engine = await bundle("export * from './src/engine.ts';");
  expect(engine.byteLength, largest(engine)).toBeLessThanOrEqual(ENGINE_BYTES);
  const paths = engine.modules.map(([path]) => path);
  // All that it takes to run a graph is in it, and nothing of training, models and references.
  expect(paths).toEqual(
    expect.arrayContaining([
      'src/compile/compile-with.ts',
      'src/device/request-device.ts',
      'src/graph/graph.ts',
      'src/kernels/attention-tiled.ts',
      'src/kernels/linear-packed-matvec.ts',
      'src/runtime/session.ts',
      'src/weights/safetensors.ts',
    ]),
  );
  const rooms = new Set(paths.map((path) => path.split('/')[1]));
  expect([...rooms].sort()).toEqual([
    ...['compile', 'core', 'device', 'graph', 'kernels', 'ops', 'runtime', 'weights', 'wgsl'],
  ]);
  expect(paths.filter((path) => /gradient|optimizer|references|sampl|paged/.test(path))).toEqual([]);
});

test.each([
  ['similarity', 1_000, /^src\/(embed\/scores|core\/errors)\.ts$/],
  ['openCheckpoint', 5_000, /^src\/(weights|core)\//],
  ['loadPicture', 8_000, /^(src\/(image|core)|node_modules\/(image-size|ipaddr\.js))\//],
] as const)('%s alone takes at most %i bytes of the package', async (name, most, modules) => {
  const part = await bundle(`export { ${name} } from './src/index.ts';`);
  expect(part.byteLength, largest(part)).toBeLessThanOrEqual(most);
  expect(part.modules.map(([path]) => path).filter((path) => !modules.test(path))).toEqual([]);
});
