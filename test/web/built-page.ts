import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { buildPage } from '../../tools/web/build.ts';
import { servePage } from '../../tools/web/serve.ts';

/** The static build, served as a host would that keeps it in a folder of its own. */
export interface BuiltPage {
  readonly url: string;
  /** Paths that were asked for, without the folder. */
  readonly requests: string[];
  close(): Promise<void>;
}

const BASE = '/some/folder/';

export async function serveBuiltPage(): Promise<BuiltPage> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-page-'));
  await buildPage(folder, { offline: true });
  const requests: string[] = [];
  const server = servePage(folder, BASE);
  server.on('request', ({ url = '' }) => requests.push(url.slice(BASE.length)));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${BASE}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await rm(folder, { recursive: true });
    },
  };
}

/** What a page complained about, and what it asked of other hosts. */
export function watchPage(
  page: Page,
  url: string,
): { readonly complaints: string[]; readonly elsewhere: string[] } {
  const [complaints, elsewhere]: [string[], string[]] = [[], []];
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
  page.on('request', (request) => {
    if (/^https?:/.test(request.url()) && !request.url().startsWith(new URL(url).origin))
      elsewhere.push(request.url());
  });
  return { complaints, elsewhere };
}

/** Until the model that the page opens with has loaded. */
export const untilReady = (page: Page): Promise<void> =>
  page
    .locator('#ask-button:not([disabled]), #model-error:not([hidden]), #missing:not([hidden])')
    .first()
    .waitFor({ state: 'attached' });
