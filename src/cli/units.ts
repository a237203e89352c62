/** Numbers as people read them; English, with binary byte units. */

const byteUnits = ['KiB', 'MiB', 'GiB', 'TiB'] as const;

/** `9.3 MiB`; three significant digits. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  let value = bytes / 1024;
  let unit: string = byteUnits[0];
  for (const next of byteUnits.slice(1)) {
    // What would round to 1024 belongs to the next unit.
    if (value < 1023.5) break;
    value /= 1024;
    unit = next;
  }
  return `${threeDigits(value)} ${unit}`;
}

/** `840 ms`, `2.31 s`, `1 min 5 s`. */
export function formatMs(ms: number): string {
  if (ms < 999.5) return `${ms < 10 ? threeDigits(ms) : Math.round(ms)} ms`;
  if (ms < 59_950) return `${threeDigits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** `4,626,240`. */
export const formatCount = (count: number): string => count.toLocaleString('en-US');

/** `4.63 M`; how sizes of models are told. */
export function formatParameters(count: number): string {
  if (count >= 999.5e6) return `${threeDigits(count / 1e9)} B`;
  if (count >= 999.5e3) return `${threeDigits(count / 1e6)} M`;
  return count >= 1e3 ? `${threeDigits(count / 1e3)} K` : String(count);
}

/** `1.20 T`; counts of arithmetic. */
export function formatFlops(flops: number): string {
  const units = ['', ' K', ' M', ' G', ' T', ' P'];
  let value = flops;
  let power = 0;
  while (value >= 999.5 && power < units.length - 1) {
    value /= 1000;
    power++;
  }
  return power === 0 ? String(Math.round(value)) : `${threeDigits(value)}${units[power]}`;
}

const threeDigits = (value: number): string =>
  value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
