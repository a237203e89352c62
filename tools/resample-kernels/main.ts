/**
 * `npm run build:resample` compiles src/image/resample-kernels.as.ts and writes resample-kernels.ts beside it. The
 * compiler takes 100 MB for one file that hardly changes, so it is no dev dependency: npm fetches it for this run.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const COMPILER = 'assemblyscript@0.28.20';
const SOURCE = 'src/image/resample-kernels.as.ts';
const TARGET = 'src/image/resample-kernels.ts';

const folder = await mkdtemp(join(tmpdir(), 'resample-'));
try {
  const wasm = join(folder, 'kernels.wasm');
  const flags = ['-O3', '--runtime', 'stub', '--noAssert', '--enable', 'simd', '--initialMemory', '0'];
  execFileSync('npx', ['--yes', '--package', COMPILER, 'asc', SOURCE, '--outFile', wasm, ...flags], {
    stdio: 'inherit',
  });
  const bytes = await readFile(wasm);
  const hash = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex');
  await writeFile(
    TARGET,
    `/**
 * resample-kernels.as.ts as WebAssembly, in base64, by \`npm run build:resample\` with ${COMPILER}.
 * SHA-256 of the source: ${hash}
 */
export const RESAMPLE_KERNELS =
${(bytes.toString('base64').match(/.{1,100}/g) ?? []).map((line) => `  '${line}'`).join(' +\n')};
`,
  );
  console.log(`${TARGET}: ${bytes.length} bytes.`);
} finally {
  await rm(folder, { recursive: true });
}
