import type { Snippet } from './wgsl.ts';

/** Enables the subgroup built-ins; defines nothing. */
export const subgroups: Snippet = { name: 'subgroups', code: '', requires: ['subgroups'] };
