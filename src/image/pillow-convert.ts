/** Pillow's `convert("RGB")` where it differs from colour management. Source: src/libImaging/Convert.c. */

/** CMYK to RGB without a profile: `(255 - K) * (255 - ink) / 255`, rounded as Pillow's MULDIV255. */
export function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  let write = 0;
  for (let read = 0; read < cmyk.length; read += 4) {
    const light = 255 - (cmyk[read + 3] as number);
    for (let channel = 0; channel < 3; channel++) {
      const product = (cmyk[read + channel] as number) * light + 128;
      rgb[write++] = light - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** Mode "I;16" to RGB: Pillow clips at 255, it does not scale. (16-bit colour keeps the high byte.) */
export function clipGrey16ToRgb(grey: Uint16Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  grey.forEach((level, pixel) => {
    rgb.fill(Math.min(level, 255), pixel * 3, pixel * 3 + 3);
  });
  return rgb;
}
