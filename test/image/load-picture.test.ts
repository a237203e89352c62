import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AbortError, InputError } from '../../src/core/errors.ts';
import { openInNode } from '../../src/image/fetch-node.ts';
import { loadPicture } from '../../src/image/load-picture.ts';
import { isPublicAddress } from '../../src/image/public-address.ts';
import { readFixture } from './read-fixture.ts';

type Fixture = { readonly name: string; readonly file: string; readonly rgb: string };
const rgbPng = readFixture<{ pictures: readonly Fixture[] }>('pillow-pictures.json').pictures.find(
  ({ name }) => name === 'rgb.png',
);
const png = new Uint8Array(Buffer.from(rgbPng?.file ?? '', 'base64'));
const expected = { width: 7, height: 5, data: new Uint8Array(Buffer.from(rgbPng?.rgb ?? '', 'base64')) };
const plain = ({ width, height, data }: { width: number; height: number; data: Uint8Array }) => ({
  width,
  height,
  data: new Uint8Array(data),
});

describe('loadPicture from this machine', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tessera-picture-'));
    writeFileSync(join(folder, 'a picture #1.png'), png);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('takes a path, a file URL, its text, bytes, a Blob and a Picture', async () => {
    const path = join(folder, 'a picture #1.png');
    const url = pathToFileURL(path);
    for (const source of [path, url, url.href, png, new Blob([png]), expected]) {
      expect(plain(await loadPicture(source))).toEqual(expected);
    }
  });

  it('names the file that is missing, and refuses a folder', async () => {
    await expect(loadPicture(join(folder, 'none.png'))).rejects.toThrow(
      /none\.png": it cannot be read \(ENOENT/,
    );
    await expect(loadPicture(folder)).rejects.toThrow(/it is not a regular file/);
  });

  it('refuses a Picture whose bytes do not fit its size', async () => {
    await expect(loadPicture({ ...expected, width: 8 })).rejects.toThrow('8x5 with 105 bytes');
  });
});

describe('loadPicture from the network', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });

  async function serve(listener: RequestListener): Promise<string> {
    const started = createServer(listener);
    server = started;
    await new Promise<void>((resolve) => started.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(started.address() as AddressInfo).port}`;
  }

  const allowed = { allowPrivateAddresses: true };

  it('downloads where the address is allowed, over redirects', async () => {
    const base = await serve((request, response) => {
      if (request.url === '/picture.png') return response.end(png);
      return response.writeHead(302, { location: '/picture.png' }).end();
    });
    expect(plain(await loadPicture(`${base}/moved`, allowed))).toEqual(expected);
  });

  it.each(['127.0.0.1', 'localhost', '[::1]', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'])(
    'refuses the loopback address written as %s',
    async (host) => {
      let asked = false;
      const base = await serve((_, response) => {
        asked = true;
        response.end(png);
      });
      const loading = loadPicture(`http://${host}:${new URL(base).port}/picture.png`);
      await expect(loading).rejects.toThrow(InputError);
      await expect(loading).rejects.toThrow(/private network. Pass allowPrivateAddresses/);
      expect(asked).toBe(false);
    },
  );

  it('checks the address of every redirect', async () => {
    const base = await serve((_, response) =>
      response.writeHead(302, { location: 'http://127.0.0.2/' }).end(),
    );
    const opening = openInNode(
      new URL(base),
      AbortSignal.timeout(5000),
      (address) => address === '127.0.0.1',
    );
    await expect(opening).rejects.toThrow('127.0.0.2 is 127.0.0.2, an address of this machine');
  });

  it.each(['file:///etc/hostname', 'ftp://127.0.0.1/x', 'data:image/png;base64,AA'])(
    'does not follow a redirect to %s',
    async (location) => {
      const base = await serve((_, response) => response.writeHead(302, { location }).end());
      await expect(loadPicture(base, allowed)).rejects.toThrow(/expected http or https/);
    },
  );

  it('gives up on a redirect loop', async () => {
    const base = await serve((_, response) => response.writeHead(301, { location: '/' }).end());
    await expect(loadPicture(base, allowed)).rejects.toThrow('it redirects more than 5 times');
  });

  it('stops at the byte limit, the time limit and the caller’s signal', async () => {
    const base = await serve((request, response) => {
      if (request.url === '/endless') {
        const write = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(1 << 16)));
        };
        response.on('drain', write);
        write();
      }
    });
    await expect(loadPicture(`${base}/endless`, { ...allowed, maxBytes: 100_000 })).rejects.toThrow(
      /it is longer than 100000 bytes/,
    );
    await expect(loadPicture(`${base}/silent`, { ...allowed, timeoutMs: 50 })).rejects.toThrow(
      /no answer within 50 ms/,
    );
    await expect(
      loadPicture(`${base}/silent`, { ...allowed, signal: AbortSignal.timeout(50) }),
    ).rejects.toThrow(AbortError);
  });

  it('names the URL and the status of a page that is not there', async () => {
    const base = await serve((_, response) => response.writeHead(404).end());
    await expect(loadPicture(`${base}/x.png`, allowed)).rejects.toThrow(
      `picture "${base}/x.png": it cannot be fetched (the server answered 404; expected 200).`,
    );
  });
});

describe('isPublicAddress', () => {
  it.each(['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111'])('%s is public', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  );
  it.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    'fc00::1',
    'fe80::1',
    'not an address',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});
