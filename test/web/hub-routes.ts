import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

export const COMMIT = 'c'.repeat(40);
const FROM_ANYWHERE = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Expose-Headers': 'Content-Range',
};

/** A hub in the page's network that has one model. */
export interface FakeHub {
  /** Files that were asked for, with their ranges. */
  readonly requests: string[];
  /** Ends answers about weights after half of their bytes. */
  cut: boolean;
  /** Answers nothing any more. */
  down: boolean;
}

/** Answers what `page` asks of the hub about `id` with the files of `folder`. */
export async function routeHub(page: Page, id: string, folder: string): Promise<FakeHub> {
  const hub: FakeHub = { requests: [], cut: false, down: false };
  const names = readdirSync(folder).filter((name) => !name.startsWith('reference'));
  const bytesOf = (name: string): Buffer => readFileSync(`${folder}/${name}`);
  await page.route('https://huggingface.co/**', async (route) => {
    const { pathname } = new URL(route.request().url());
    const range = route.request().headers().range ?? '';
    hub.requests.push(`${pathname} ${range}`.trim());
    if (hub.down) return route.abort();
    if (pathname === `/api/models/${id}/revision/main`) {
      const siblings = names.map((name) => {
        const bytes = bytesOf(name);
        return {
          rfilename: name,
          size: bytes.length,
          blobId: createHash('sha1').update(bytes).digest('hex'),
        };
      });
      return route.fulfill({ headers: FROM_ANYWHERE, json: { sha: COMMIT, siblings } });
    }
    const name = names.find((one) => pathname === `/${id}/resolve/${COMMIT}/${one}`);
    if (name === undefined) return route.fulfill({ status: 404, headers: FROM_ANYWHERE });
    const bytes = bytesOf(name);
    const begin = Number(/^bytes=(\d+)-$/.exec(range)?.[1] ?? 0);
    const end = hub.cut && name.endsWith('.safetensors') ? bytes.length >> 1 : bytes.length;
    return route.fulfill({
      status: begin > 0 ? 206 : 200,
      headers: {
        ...FROM_ANYWHERE,
        ...(begin > 0 && { 'Content-Range': `bytes ${begin}-${bytes.length - 1}/${bytes.length}` }),
      },
      body: bytes.subarray(begin, end),
    });
  });
  return hub;
}
