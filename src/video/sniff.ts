/** Brands of still pictures in the container that MP4 has. */
const PICTURE_BRANDS = /^(avif|avis|hei[cfmsx]|hevc|mif1|msf1)$/;
/** What QuickTime files begin with. */
const FIRST_BOXES = /^(moov|mdat|wide|free|skip|pnot)$/;

/** Whether a file begins as MP4, MOV, WebM and Matroska do. GIF and WebP are pictures as well, and say no. */
export function looksLikeVideo(bytes: Uint8Array): boolean {
  const head = String.fromCharCode(...bytes.subarray(0, 12));
  if (head.startsWith('\x1a\x45\xdf\xa3')) return true;
  const box = head.slice(4, 8);
  return box === 'ftyp' ? !PICTURE_BRANDS.test(head.slice(8, 12)) : FIRST_BOXES.test(box);
}
