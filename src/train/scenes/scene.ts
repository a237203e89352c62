/** What a picture shows: one shape, described by four words. */
export interface Scene {
  readonly size: (typeof SIZES)[number];
  readonly texture: (typeof TEXTURES)[number];
  readonly colour: (typeof COLOURS)[number];
  readonly shape: (typeof SHAPES)[number];
}

export const SIZES = ['small', 'large'] as const;
export const TEXTURES = ['plain', 'striped', 'dotted'] as const;
export const COLOURS = ['red', 'orange', 'yellow', 'green', 'cyan', 'blue', 'purple', 'white'] as const;
export const SHAPES = ['circle', 'square', 'triangle', 'cross', 'ring', 'diamond', 'star', 'heart'] as const;

/** All 384 compositions, in a fixed order. */
export const SCENES: readonly Scene[] = SIZES.flatMap((size) =>
  TEXTURES.flatMap((texture) =>
    COLOURS.flatMap((colour) => SHAPES.map((shape): Scene => ({ size, texture, colour, shape }))),
  ),
);

/**
 * Whether a composition is never trained on: two shapes of each colour, and two colours of each shape, in every size and
 * texture. Neither the colour nor the shape alone tells such a class from the others.
 */
export function isHeldOut({ colour, shape }: Scene): boolean {
  const distance = (SHAPES.indexOf(shape) - COLOURS.indexOf(colour) + SHAPES.length) % SHAPES.length;
  return distance === 1 || distance === 4;
}

/** 288 compositions. */
export const TRAINED_SCENES: readonly Scene[] = SCENES.filter((scene) => !isHeldOut(scene));
/** 96 compositions. */
export const HELD_OUT_SCENES: readonly Scene[] = SCENES.filter(isHeldOut);

/** `small striped red circle`; a plain texture goes unsaid. */
export const nameOf = ({ size, texture, colour, shape }: Scene): string =>
  [size, ...(texture === 'plain' ? [] : [texture]), colour, shape].join(' ');

/** Sentences around a name; `{}` is its place. */
export const TEMPLATES = ['a {}', 'a picture of a {}', 'there is a {}'] as const;

export const captionOf = (scene: Scene, template: (typeof TEMPLATES)[number]): string =>
  template.replace('{}', nameOf(scene));
