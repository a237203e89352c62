/** A picture on its way to a tower, in this process alone: no adapter takes part, so no limit of one holds it back. */
export interface ImageCase {
  /** From pixels to resized pixels, or from a JPEG to floats. */
  readonly op: 'image resize' | 'image preprocess';
  readonly from: Size;
  readonly to: Size;
  /** The middle of it that is kept. */
  readonly middle?: Size;
  readonly filter: 'bicubic' | 'bilinear';
}

export type Size = readonly [width: number, height: number];

/** Photos and frames as CLIP and LLaVA (a crop), SigLIP (squeezed) and Qwen2-VL (to multiples of 28) take them. */
export const imageCases: readonly ImageCase[] = [
  { op: 'image resize', from: [4000, 3000], to: [448, 336], middle: [336, 336], filter: 'bicubic' },
  { op: 'image resize', from: [4000, 3000], to: [384, 384], filter: 'bicubic' },
  { op: 'image resize', from: [4000, 3000], to: [384, 384], filter: 'bilinear' },
  { op: 'image resize', from: [1920, 1080], to: [384, 384], filter: 'bicubic' },
  { op: 'image resize', from: [640, 480], to: [448, 336], middle: [336, 336], filter: 'bicubic' },
  { op: 'image resize', from: [200, 150], to: [384, 384], filter: 'bicubic' },
  { op: 'image resize', from: [1280, 960], to: [1288, 952], filter: 'bicubic' },
  { op: 'image preprocess', from: [4000, 3000], to: [448, 336], middle: [336, 336], filter: 'bicubic' },
];

export const shapeOf = ({ from, to, middle }: ImageCase): string =>
  `${from.join('x')} to ${to.join('x')}${middle ? `, middle ${middle.join('x')}` : ''}`;

/** What `--filter` matches and progress shows. */
export const imageName = (one: ImageCase): string => `${one.op} ${shapeOf(one)} ${one.filter}`;
