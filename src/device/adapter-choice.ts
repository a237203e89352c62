/** Which of the adapters that are there to use. Real GPUs first, then lavapipe, then SwiftShader. */
import { isSoftwareName } from './caps.ts';

/** One line of what Dawn says is there. */
export interface ListedAdapter {
  readonly backend: string;
  readonly name: string;
}

export type AdapterClass = 'gpu' | 'lavapipe' | 'swiftshader' | 'other software';

/** Best first. SwiftShader is 3 to 5 times slower than lavapipe. */
const preference: readonly AdapterClass[] = ['gpu', 'lavapipe', 'swiftshader', 'other software'];

/** Backends that draw nothing or lack what compute needs. */
const unusableBackends = new Set(['null', 'opengl', 'opengles', 'webgpu']);

export function classOf(adapter: ListedAdapter): AdapterClass {
  if (/llvmpipe|lavapipe/i.test(adapter.name)) return 'lavapipe';
  if (/swiftshader/i.test(adapter.name)) return 'swiftshader';
  return isSoftwareName(adapter.name) ? 'other software' : 'gpu';
}

/** Reads the list in the error Dawn throws for an adapter name that does not exist. */
export function parseAdapterList(message: string): readonly ListedAdapter[] {
  const listed = [...message.matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm)].map(
    ([, backend = '', name = '']) => ({ backend, name }),
  );
  return listed.filter((adapter) => !unusableBackends.has(adapter.backend));
}

/**
 * The adapter to use, or undefined if none fits. `wanted` is `gpu`, `lavapipe`, `swiftshader` or part of a
 * name, in any case; without it the best class wins, and within a class the driver's own order.
 */
export function chooseAdapter(
  listed: readonly ListedAdapter[],
  wanted: string | undefined,
): ListedAdapter | undefined {
  const fitting = wanted === undefined ? listed : listed.filter((adapter) => fits(adapter, wanted));
  return [...fitting].sort((a, b) => rank(a) - rank(b))[0];
}

/** Whether an adapter is what `wanted` asks for. */
export function fits(adapter: ListedAdapter, wanted: string): boolean {
  const name = wanted.toLowerCase();
  return preference.some((known) => known === name)
    ? classOf(adapter) === name
    : adapter.name.toLowerCase().includes(name);
}

function rank(adapter: ListedAdapter): number {
  return preference.indexOf(classOf(adapter));
}

/** The line a program prints when a CPU stands in for a GPU; undefined for a real GPU. */
export function softwareNotice(adapter: ListedAdapter): string | undefined {
  const missing = { gpu: '', lavapipe: 'GPU', swiftshader: 'GPU or lavapipe', 'other software': 'GPU' }[
    classOf(adapter)
  ];
  if (!missing) return undefined;
  return `No ${missing} driver found: running on ${adapter.name} (CPU). "tessera doctor" says how to do better.`;
}
