/**
 * The ByteFallback decoder as the reference has it: a run of byte tokens (`<0xE6>`) is text only when the whole
 * run is valid UTF-8; otherwise each of its bytes is one U+FFFD. `@huggingface/tokenizers` decodes what it can
 * of such a run, and drops a byte order mark.
 * Source: huggingface/tokenizers, tokenizers/src/decoders/byte_fallback.rs.
 */

const byteToken = /^<0x[0-9A-Fa-f]{2}>$/;

export const isByteToken = (token: string): boolean => byteToken.test(token);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Replaces each run of byte tokens with its text and keeps the other tokens. */
export function decodeByteFallback(tokens: readonly string[]): string[] {
  const decoded: string[] = [];
  let run: number[] = [];
  const endRun = (): void => {
    if (run.length > 0) decoded.push(decodeRun(run));
    run = [];
  };
  for (const token of tokens) {
    if (isByteToken(token)) {
      run.push(Number.parseInt(token.slice(3, 5), 16));
    } else {
      endRun();
      decoded.push(token);
    }
  }
  endRun();
  return decoded;
}

function decodeRun(run: readonly number[]): string {
  try {
    return utf8.decode(Uint8Array.from(run));
  } catch {
    return '\uFFFD'.repeat(run.length);
  }
}
