import { build } from 'esbuild';
import { expect, test } from 'vitest';

test('a bundle for the browser holds nothing of Node, webgpu or sharp', async () => {
  const { metafile, outputFiles, warnings } = await build({
    entryPoints: ['src/index.ts'],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'browser',
    outdir: 'bundle',
    write: false,
    metafile: true,
  });
  expect(warnings).toEqual([]);
  const inputs = Object.keys(metafile.inputs);
  expect(inputs).toContain('src/generate/load-model.ts');
  expect(inputs.filter((path) => /node_modules\/(webgpu|sharp|modern-tar|@napi-rs)\//.test(path))).toEqual(
    [],
  );
  const external = Object.values(metafile.outputs).flatMap(({ imports }) =>
    imports.filter((imported) => imported.external).map(({ path }) => path),
  );
  expect(external).toEqual([]);
  for (const { path, text } of outputFiles) {
    expect(text, path).not.toMatch(/(from|import)\s*\(?\s*["'](node:|webgpu|sharp|@napi-rs)/);
  }
});

test('importing the package touches no driver and starts nothing', async () => {
  const api = await import('../../src/index.ts');
  expect(Object.keys(api).sort()).toEqual([
    'AbortError',
    'ConfigError',
    'DeviceError',
    'EngineError',
    'InputError',
    'ShapeError',
    'UnsupportedError',
    'WeightError',
    'attentionLayers',
    'attentionRollout',
    'attentionRow',
    'attentionToPicture',
    'composeModel',
    'composeVlm',
    'cpuKernels',
    'createTrainer',
    'dataOrder',
    'decodingKernels',
    'explain',
    'explainNode',
    'grad',
    'loadContrastiveModel',
    'loadModel',
    'loadPicture',
    'logitLens',
    'memoryFiles',
    'openCheckpoint',
    'openModelFiles',
    'openVideo',
    'paintHeat',
    'peakOf',
    'pictureVector',
    'principalComponents',
    'projectors',
    'requestDevice',
    'runTraining',
    'similarity',
    'similarityMap',
    'tokensPerImage',
    'towerAttention',
    'trainingKernels',
    'uniformFrames',
    'urlFiles',
    'warmupCosine',
    'wordMaps',
  ]);
});
