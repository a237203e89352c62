import { loadSharp } from './decode-node.ts';
import type { Picture } from './picture.ts';

/** A picture as a PNG file. Throws UnsupportedError when sharp is not installed. */
export async function encodePng({ width, height, data }: Picture): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** An SVG drawn as a PNG file, `scale` pixels to its unit. Its texts need fonts on this machine. Throws as `encodePng`. */
export async function drawSvg(svg: string, scale = 2): Promise<Uint8Array> {
  const sharp = await loadSharp();
  // 72 dots per inch are one pixel to a unit.
  return sharp(new TextEncoder().encode(svg), { density: 72 * scale, limitInputPixels: false })
    .flatten({ background: '#fff' })
    .png()
    .toBuffer();
}
