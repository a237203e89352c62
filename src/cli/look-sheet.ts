import { invariant } from '../core/errors.ts';
import type { CapturedTensor } from '../generate/captured.ts';
import type { Picture } from '../image/picture.ts';
import type { HeatMap } from '../look/heat-map.ts';
import type { LookModel } from './look-model.ts';
import type { LookValues } from './look-options.ts';

/** What a kind of look is made from. */
export interface Looked<Opened = LookModel> {
  readonly opened: Opened;
  readonly picture: Picture;
  readonly values: LookValues;
  readonly signal: AbortSignal;
}

/** A map over the picture, and what it shows. */
export interface LookPanel {
  readonly caption: string;
  readonly note: string;
  /** What the note says, for machines. */
  readonly facts: Readonly<Record<string, number | string>>;
  /** One per tile of the picture. */
  readonly maps: readonly HeatMap[];
  /** Values shown darkest and lightest; default the least and the largest. */
  readonly range?: readonly [least: number, largest: number] | undefined;
}

export interface LookSheet {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly LookPanel[];
  readonly columns?: number | undefined;
  readonly scale: readonly [least: string, largest: string];
  /** See `PaintOptions`. */
  readonly combine?: 'finest' | 'add';
}

/** The ends of the colour scale of attention. */
export const SHARE_SCALE = ['none', 'most'] as const;

/** Nothing is darkest and the largest lightest; of several maps, whose sums are shown, both are seen to later. */
export const fromZero = (maps: readonly HeatMap[]): readonly [number, number] | undefined =>
  maps.length === 1 ? [0, Math.max(...(maps[0]?.values ?? []))] : undefined;

export const headName = (head: number | undefined): string =>
  head === undefined ? 'mean of all heads' : `head ${head}`;

export function tensorOf(captured: ReadonlyMap<string, CapturedTensor>, name: string): CapturedTensor {
  const tensor = captured.get(name);
  invariant(tensor, `"${name}" was captured`);
  return tensor;
}
