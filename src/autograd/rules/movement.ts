import { invariant } from '../../core/errors.ts';
import { dim } from '../../core/shape.ts';
import { cast, concat, permute, reshape, slice } from '../../graph/movement.ts';
import * as ops from '../../ops/movement.ts';
import { patchify } from '../../ops/patchify.ts';
import { zeros } from '../broadcast.ts';
import { defineGradient } from '../gradient.ts';

export const reshapeGradient = defineGradient(ops.reshape, ({ inputs: { x } }, { y: dy }) => {
  invariant(x && dy, 'reshape has x and y');
  return { x: reshape(dy, x.shape) };
});

export const castGradient = defineGradient(ops.cast, (_node, { y: dy }) => ({ x: dy && cast(dy, 'f32') }));

/** The inverse permutation. */
export const permuteGradient = defineGradient(ops.permute, ({ attrs: { order } }, { y: dy }) => {
  invariant(dy, 'permute has y');
  return {
    x: permute(
      dy,
      order.map((_, axis) => order.indexOf(axis)),
    ),
  };
});

/** Zeros around what was cut out; the other slices of x may fill them. */
export const sliceGradient = defineGradient(ops.slice, ({ attrs: { axis, begin } }, { y: dy }) => {
  invariant(dy, 'slice has y');
  return { x: { values: dy, axis, begin } };
});

/** Each part its own share. */
export const concatGradient = defineGradient(ops.concat, (node, { y: dy }) => {
  invariant(dy, 'concat has y');
  let begin = 0;
  const gradients = Object.entries(node.inputs).map(([name, part]) => {
    const end = begin + dim(part.shape, node.attrs.axis);
    const gradient = node.needs(name) ? slice(dy, node.attrs.axis, begin, end) : undefined;
    begin = end;
    return [name, gradient] as const;
  });
  return Object.fromEntries(gradients);
});

/** Patches back where they were cut, zeros in what was left over at the right and bottom. */
export const patchifyGradient = defineGradient(patchify, ({ inputs: { x }, attrs }, { y: dy }) => {
  invariant(x && dy, 'patchify has x and y');
  const [B = 0, channels = 0, height = 0, width = 0] = x.shape;
  const P = attrs.patchSize;
  const [rows, columns] = [Math.floor(height / P), Math.floor(width / P)];
  const patches = reshape(dy, [B, rows, columns, channels, P, P]);
  const whole = reshape(permute(patches, [0, 3, 1, 4, 2, 5]), [B, channels, rows * P, columns * P]);
  const right = width - columns * P;
  const bottom = height - rows * P;
  const wide = right === 0 ? whole : concat([whole, zeros(x, [B, channels, rows * P, right])], 3);
  return { x: bottom === 0 ? wide : concat([wide, zeros(x, [B, channels, bottom, width])], 2) };
});
