import type { Shape } from '../../src/core/shape.ts';
import { bytesSource } from '../../src/weights/byte-source.ts';
import type { WeightScope } from '../../src/weights/weight-scope.ts';

/** A checkpoint that has whatever a model asks for, by the first of the names it knows; `shapes` is what was asked. */
export function recordingScope(): {
  readonly root: WeightScope;
  readonly shapes: ReadonlyMap<string, Shape>;
} {
  const shapes = new Map<string, Shape>();
  const source = bytesSource('nothing', new Uint8Array());
  const scopeAt = (prefix: string): WeightScope => {
    const nameOf = (name: string): string => [prefix, name].filter(Boolean).join('.');
    return {
      prefix,
      scope: (inner) => scopeAt(nameOf(inner)),
      firstScope: ([first = '']) => scopeAt(nameOf(first)),
      has: (name) => shapes.has(nameOf(name)),
      get(name, shape) {
        const full = nameOf(name);
        shapes.set(full, shape);
        const entry = { name: full, dtype: 'BF16', shape, source, offsetBytes: 0, byteLength: 0 } as const;
        return { name: full, shape, dtype: 'BF16', entry };
      },
      optional: () => undefined,
      skip: () => undefined,
    };
  };
  return { root: scopeAt(''), shapes };
}
