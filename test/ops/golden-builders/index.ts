import type { GoldenBuilders } from '../golden-call.ts';
import { attentions } from './attention.ts';
import { featureMaps } from './feature-maps.ts';
import { movement } from './movement.ts';
import { norms } from './norms.ts';
import { pointwise } from './pointwise.ts';
import { products } from './products.ts';
import { reductions } from './reductions.ts';
import { ropes } from './rope.ts';

/** Operations of the golden in families; each family is one graph, one plan and one session. */
export const GOLDEN_FAMILIES: Readonly<Record<string, GoldenBuilders>> = {
  products,
  norms,
  pointwise,
  movement,
  reductions,
  featureMaps,
  attention: attentions,
  rope: ropes,
};

/** Operations compared elsewhere, or not at all yet, and why. */
export const GOLDEN_ELSEWHERE: Readonly<Record<string, string>> = {
  resize_u8: 'pictures are resized on the CPU, as Pillow does: test/image/resize.test.ts has all fifteen',
  resize_u8_torchvision:
    "torchvision's resize of u8 differs from Pillow's by a few levels, and the engine follows Pillow",
  optimizer: 'trajectories of training steps: test/train/trainer.test.ts has all three',
};
