import { type HubProgress, hubFolder } from '../weights/hub/hub.ts';
import type { Terminal } from './command.ts';
import { createProgressLine, formatByteProgress } from './progress.ts';
import { createTransferRate } from './transfer-rate.ts';
import { formatBytes, formatMs } from './units.ts';

/** Downloads a model of the hub, or what is missing of it, with progress and notices on stderr. Gives its folder. */
export async function downloadHubModel(
  id: string,
  revision: string | undefined,
  { stderr, signal }: Pick<Terminal, 'stderr' | 'signal'>,
): Promise<string> {
  const line = createProgressLine(stderr);
  const rate = createTransferRate();
  try {
    return await hubFolder(id, {
      revision,
      signal,
      onProgress: (progress) => line.show(formatHubProgress(progress, rate(progress.done))),
      onNotice: (text) => {
        line.clear();
        stderr.write(`${text}\n`);
      },
    });
  } finally {
    line.clear();
  }
}

/** `download   [######      ] 3.38 GiB of 13.5 GiB, 45.3 MiB/s, 3 min 49 s left`; in the end, `checking`. */
export function formatHubProgress(
  { done, checked, total }: HubProgress,
  bytesPerSecond: number | undefined,
): string {
  if (done >= total) return formatByteProgress('checking', checked, total);
  const bar = formatByteProgress('download', done, total);
  if (bytesPerSecond === undefined || bytesPerSecond <= 0) return bar;
  const left = Math.ceil((total - done) / bytesPerSecond);
  // A guess: no digits behind the point.
  const time = left < 60 ? `${left} s` : formatMs(left * 1000);
  return `${bar}, ${formatBytes(Math.round(bytesPerSecond))}/s, ${time} left`;
}
