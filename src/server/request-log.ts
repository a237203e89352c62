import type { RequestEnd } from './request-record.ts';

/** One line about a request that ended. `text` for people, `json` for programs. */
export function formatRequest(end: RequestEnd, format: 'text' | 'json', time = new Date()): string {
  if (format === 'json') return JSON.stringify({ time: time.toISOString(), ...end });
  const { method, path, status, seconds, client, promptTokens, generatedTokens, error } = end;
  const tokens = generatedTokens === undefined ? '' : ` ${promptTokens}+${generatedTokens} tokens`;
  const reason = error === undefined ? '' : ` (${error.replaceAll(/\s+/g, ' ')})`;
  return `${time.toISOString()} ${method} ${path} ${status} ${seconds.toFixed(2)} s${tokens} ${client}${reason}`;
}
