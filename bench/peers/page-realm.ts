import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { servePeerPage } from './page-server.ts';
import type { PeerReply } from './peer.ts';
import { type PeerHost, type PeerLine, peerHost } from './peer-host.ts';

const DEBIAN_CHROMIUM = '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--disable-background-networking', '--no-first-run'];

/** A browser that engines can be asked in. */
export interface PeerBrowser {
  /** `Chromium 156.0.8078.79`. */
  readonly name: string;
  host(peer: string, limitMs: () => number): PeerHost;
  close(): Promise<void>;
}

/**
 * Chromium on the adapter, or undefined where there is none: without `CHROMIUM` or Debian's, or where it doesn't offer this
 * adapter, as it does no software one but SwiftShader.
 */
export async function openPeerBrowser(folder: string, adapter: string): Promise<PeerBrowser | undefined> {
  const executablePath = process.env.CHROMIUM ?? DEBIAN_CHROMIUM;
  if (!existsSync(executablePath) || /llvmpipe|lavapipe/i.test(adapter)) return undefined;
  const chosen = /swiftshader/i.test(adapter)
    ? ['--use-webgpu-adapter=swiftshader']
    : ['--enable-features=Vulkan'];
  const server = await servePeerPage(folder);
  const browser = await chromium.launch({ executablePath, args: [...FLAGS, ...chosen] });
  return {
    name: `Chromium ${browser.version()}`,
    host: (peer, limitMs) => peerHost(peer, () => openPage(browser, server.url, peer), limitMs),
    async close() {
      await browser.close();
      server.close();
    },
  };
}

async function openPage(browser: Browser, url: string, peer: string): Promise<PeerLine> {
  const page = await browser.newPage();
  try {
    await page.goto(url);
    const module = await page.evaluateHandle("import('/page.js')");
    const serve = await module.evaluateHandle(
      (peers, name) =>
        (peers as { start(name: string): Promise<(request: unknown) => Promise<PeerReply>> }).start(name),
      peer,
    );
    return {
      ask: (request) =>
        serve
          .evaluate((answer, asked) => answer(asked), request)
          .catch((error: Error) => ({ ok: false, reason: error.message })),
      end: () => page.close(),
    };
  } catch (error) {
    await page.close();
    throw error;
  }
}
