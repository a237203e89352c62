import { build, createLogger } from 'vite';

/**
 * Builds the page in `root` to `dist` in it, and gives what Vite complains about. With `conditions` it resolves packages by
 * them, else as it does by itself.
 */
export async function buildWithVite(root: string, conditions?: string[]): Promise<readonly string[]> {
  const complaints: string[] = [];
  const complain = (message: string): void => void complaints.push(message);
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    customLogger: { ...createLogger('warn'), warn: complain, warnOnce: complain, error: complain },
    ...(conditions && { resolve: { conditions } }),
    // How large a chunk may be is a matter of taste.
    build: { target: 'es2022', chunkSizeWarningLimit: 4_000 },
  });
  return complaints;
}
