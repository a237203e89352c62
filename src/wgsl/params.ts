import { invariant } from '../core/errors.ts';

/** Scalar types a kernel's uniform struct may hold; each is 4 bytes, so offsets are 0, 4, 8, ... */
export type ParamType = 'u32' | 'i32' | 'f32';
export type ParamSpec = Readonly<Record<string, ParamType>>;
export type ParamValues<P extends ParamSpec> = { readonly [K in keyof P]: number };

/** WGSL text of the struct: `struct Params { rows: u32, ... }`. */
export function paramsStruct(spec: ParamSpec): string {
  const members = Object.entries(spec).map(([name, type]) => `  ${name}: ${type},`);
  return ['struct Params {', ...members, '}'].join('\n');
}

/** Bytes of the struct as a uniform: a multiple of 16. */
export const paramsByteLength = (spec: ParamSpec): number =>
  Math.ceil((Object.keys(spec).length * 4) / 16) * 16;

/** Writes `values` at `offset`, in the order of the spec. Every integer must fit its type. */
export function packParams(
  spec: ParamSpec,
  values: Readonly<Record<string, number>>,
  view: DataView,
  offset: number,
): void {
  Object.entries(spec).forEach(([name, type], i) => {
    const value = values[name];
    invariant(value !== undefined && !Number.isNaN(value), `parameter "${name}" is ${value}`);
    const at = offset + i * 4;
    if (type === 'f32') {
      view.setFloat32(at, value, true);
      return;
    }
    const [low, high] = type === 'u32' ? [0, 0xffffffff] : [-0x80000000, 0x7fffffff];
    invariant(
      Number.isInteger(value) && value >= low && value <= high,
      `parameter "${name}" is ${value}, which is no ${type}`,
    );
    if (type === 'u32') view.setUint32(at, value, true);
    else view.setInt32(at, value, true);
  });
}
