import { expect, test } from 'vitest';
import { packParams, paramsByteLength, paramsStruct } from '../../src/wgsl/params.ts';
import { assemble, type Snippet, wgsl } from '../../src/wgsl/wgsl.ts';

const inner: Snippet = { name: 'inner', code: 'fn inner() {}' };
const outer: Snippet = {
  name: 'outer',
  code: 'fn outer() { inner(); }',
  uses: [inner],
  requires: ['subgroups'],
};

test('snippets come once, before their users, and directives first of all', () => {
  const body = wgsl`
    ${outer}${inner}
    fn main() { outer(); }
  `;
  expect(assemble('var<private> x: f16;', body)).toBe(
    'enable f16;\nenable subgroups;\n\nvar<private> x: f16;\n\nfn inner() {}\n\nfn outer() { inner(); }\n\nfn main() { outer(); }\n',
  );
});

test('lists are inserted line by line at the indentation of their place', () => {
  expect(
    wgsl`
    fn main() {
      ${['let a = 1;', 'let b = 2;']}
    }
  `.code,
  ).toBe('fn main() {\n  let a = 1;\n  let b = 2;\n}');
});

test('nothing but text, numbers, lists and snippets is inserted', () => {
  expect(() => wgsl`${undefined as unknown as string}`).toThrow('wgsl: cannot insert undefined');
  expect(() => wgsl`${true as unknown as string}`).toThrow('wgsl: cannot insert true');
});

test('params are packed in the order of their declaration, and values that do not fit are refused', () => {
  const spec = { rows: 'u32', shift: 'i32', eps: 'f32' } as const;
  expect(paramsStruct(spec)).toBe('struct Params {\n  rows: u32,\n  shift: i32,\n  eps: f32,\n}');
  expect(paramsByteLength(spec)).toBe(16);
  const view = new DataView(new ArrayBuffer(32));
  packParams(spec, { rows: 0xffffffff, shift: -2, eps: 0.5 }, view, 16);
  expect([view.getUint32(16, true), view.getInt32(20, true), view.getFloat32(24, true)]).toEqual([
    0xffffffff, -2, 0.5,
  ]);
  expect(() => packParams(spec, { rows: -1, shift: 0, eps: 0 }, view, 0)).toThrow(
    'parameter "rows" is -1, which is no u32',
  );
  expect(() => packParams(spec, { rows: 1, shift: 0.5, eps: 0 }, view, 0)).toThrow(
    'parameter "shift" is 0.5, which is no i32',
  );
});
