/**
 * 64 bits of `text` as 16 hexadecimal digits: FNV-1a over UTF-16 units, twice from different offsets. For telling versions
 * apart where a promise (crypto.subtle) does not fit; no protection against anyone who wants two texts to be equal.
 */
export function digestText(text: string): string {
  // The offset basis of 32-bit FNV, and the start of the second half of the 64-bit one.
  return [0x811c9dc5, 0x84222325].map((offset) => fnv1a(text, offset)).join('');
}

function fnv1a(text: string, offset: number): string {
  let hash = offset;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
