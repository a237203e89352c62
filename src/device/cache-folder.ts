import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where Tessera keeps what it can make again: `TESSERA_CACHE`, or the platform's cache folder. Node only. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.TESSERA_CACHE) return env.TESSERA_CACHE;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'tessera');
  if (process.platform === 'win32') {
    return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'tessera', 'Cache');
  }
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tessera');
}
