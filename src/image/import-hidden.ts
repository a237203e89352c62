/**
 * `import(specifier)` that bundlers leave alone, since they follow literal specifiers only: a bundle for the
 * browser then neither holds nor looks for what only Node has.
 */
export const importHidden = (specifier: string): Promise<unknown> =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ specifier);

export const isNode = typeof process !== 'undefined' && process.versions?.node !== undefined;
