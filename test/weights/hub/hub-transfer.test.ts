/** Bytes on their way from a server that cuts, corrupts, stalls, throttles and refuses. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HubOptions, type HubProgress, hubFolder } from '../../../src/weights/hub/hub.ts';
import { type FileRequest, type HubServer, noise, sha256, startHubServer } from './hub-server.ts';

const COMMIT = 'c'.repeat(40);
const KIB = 1024;
const weights = noise(1000 * KIB + 7);
const WEIGHTS = 'model.safetensors';

let server: HubServer;
let home: string;
let options: HubOptions;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'tessera-hub-'));
  const files = new Map<string, Uint8Array>([
    ['config.json', Buffer.from('{}')],
    [WEIGHTS, weights],
  ]);
  server = await startHubServer([{ id: 'org/tiny', commit: COMMIT, files }]);
  options = {
    env: { HF_HOME: home, HF_ENDPOINT: server.url },
    transfer: { rangeBytes: 128 * KIB, backoffMs: 2, idleTimeoutMs: 5_000 },
  };
});
afterEach(async () => {
  await server.close();
  await rm(home, { recursive: true });
});

/** Requests for the weights are answered by `answer`, the rest as they should be. */
function onWeights(answer: (file: FileRequest) => void): void {
  server.onFile = (file) => (file.name === WEIGHTS ? answer(file) : file.answer());
}

const blobs = async (): Promise<string[]> =>
  (await readdir(join(home, 'hub/models--org--tiny/blobs'))).sort();
/** The other file may have come or not. */
async function expectNoWeights(): Promise<void> {
  const names = await readdir(join(home, 'hub/models--org--tiny/snapshots', COMMIT)).catch(() => []);
  expect(names).not.toContain(WEIGHTS);
}

async function expectWhole(folder: Promise<string>): Promise<void> {
  expect((await readFile(join(await folder, WEIGHTS))).equals(weights)).toBe(true);
  expect((await blobs()).includes(sha256(weights))).toBe(true);
  // Nothing unfinished stays.
  expect(await blobs()).toHaveLength(2);
}

describe('ranges', () => {
  test('come in parallel, within bounds, each byte once', async () => {
    let open = 0;
    let most = 0;
    let goOn = (): void => {};
    // Time for a fifth to come, if one does.
    const areFourOpen = new Promise<void>((resolve) => {
      goOn = () => setTimeout(resolve, 100);
    });
    const ranges: (readonly [number, number])[] = [];
    onWeights((file) => {
      most = Math.max(most, ++open);
      if (open === 4) goOn();
      ranges.push([file.range?.begin ?? -1, file.range?.end ?? -1]);
      void areFourOpen.then(() => {
        open--;
        file.answer();
      });
    });
    await expectWhole(hubFolder('org/tiny', options));
    expect(most).toBe(4);
    expect(server.served.get(WEIGHTS)).toBe(weights.length);
    expect(ranges.sort(([a], [b]) => a - b)).toEqual(
      Array.from({ length: 8 }, (_, i) => [i * 128 * KIB, Math.min((i + 1) * 128 * KIB, weights.length)]),
    );
  });

  test('that a server ignores give way to one stream', async () => {
    let open = 0;
    let streams = 0;
    onWeights(({ response, range }) => {
      open++;
      response.on('close', () => open--);
      response.writeHead(200, { 'content-length': weights.length });
      if (range) {
        response.write(weights.subarray(0, 1000));
        return;
      }
      streams++;
      response.end(weights);
    });
    await expectWhole(hubFolder('org/tiny', options));
    // Those that brought the whole file for each range were dropped.
    expect({ open, streams }).toEqual({ open: 0, streams: 1 });
  });

  test('that are not what was asked for are refused', async () => {
    onWeights(({ response, range }) => {
      response
        .writeHead(206, { 'content-range': `bytes ${range?.begin}-${range?.end}/9` })
        .end(weights.subarray(0, 9));
    });
    await expect(hubFolder('org/tiny', options)).rejects.toThrow(
      /sent 206 with Content-Range "bytes \d+-\d+\/9"; expected "bytes \d+-\d+\/1024007"/,
    );
    await expectNoWeights();
  });

  test('that bring more than was asked for are refused', async () => {
    onWeights(({ response, range: { begin, end } = { begin: 0, end: 0 } }) => {
      response.writeHead(206, { 'content-range': `bytes ${begin}-${end - 1}/${weights.length}` });
      response.end(weights.subarray(begin, end + 1));
    });
    // The last range has nothing behind it, and ends well.
    await expect(hubFolder('org/tiny', options)).rejects.toThrow(/sent more than 131072 bytes from byte/);
  });
});

describe('a cut', () => {
  test('is gone on from, byte by byte', async () => {
    onWeights((file) => {
      if (file.earlier < 6) file.begin(50 * KIB, () => file.request.socket.destroy());
      else file.answer();
    });
    await expectWhole(hubFolder('org/tiny', options));
    expect(server.served.get(WEIGHTS)).toBe(weights.length);
  });

  test('of a small file is gone on from too', async () => {
    onWeights((file) => {
      if (file.earlier < 2) file.begin(300 * KIB, () => file.request.socket.destroy());
      else file.answer();
    });
    await expectWhole(
      hubFolder('org/tiny', { ...options, transfer: { ...options.transfer, rangeBytes: 2 ** 30 } }),
    );
    expect(
      server.requests.filter((path) => path.includes(WEIGHTS)).map((path) => path.split(' ')[1]),
    ).toEqual([
      undefined,
      `bytes=${300 * KIB}-${weights.length - 1}`,
      `bytes=${600 * KIB}-${weights.length - 1}`,
    ]);
  });

  test('of a stream without ranges starts anew, as often as it gets further', async () => {
    let streams = 0;
    onWeights(({ response, request, range }) => {
      response.writeHead(200, { 'content-length': weights.length });
      if (range) {
        response.write(weights.subarray(0, 1000));
        return;
      }
      const end = Math.min(++streams * 100 * KIB, weights.length);
      response.write(weights.subarray(0, end), () => {
        if (end === weights.length) response.end();
        else setTimeout(() => request.socket.destroy(), 20);
      });
    });
    await expectWhole(hubFolder('org/tiny', options));
    expect(streams).toBe(11);
  });

  test('that happens every time without a byte more is given up', async () => {
    onWeights((file) => {
      if (file.range?.begin === 256 * KIB) file.begin(0, () => file.request.socket.destroy());
      else file.answer();
    });
    const failed = hubFolder('org/tiny', { ...options, transfer: { ...options.transfer, attempts: 3 } });
    await expect(failed).rejects.toThrow(
      /model.safetensors: the connection was cut.*, 3 times in a row; expected an answer of http.*goes on where it stopped/,
    );
    await expectNoWeights();
  });
});

describe('a stalled connection', () => {
  test('is noticed and tried again', async () => {
    onWeights((file) => {
      if (file.earlier === 1) file.begin(10 * KIB, () => {});
      else file.answer();
    });
    await expectWhole(
      hubFolder('org/tiny', { ...options, transfer: { ...options.transfer, idleTimeoutMs: 1_000 } }),
    );
    expect(server.served.get(WEIGHTS)).toBe(weights.length);
  });

  test('that stays so is given up', async () => {
    server.trouble = () => true;
    const transfer = { idleTimeoutMs: 50, backoffMs: 2 };
    await expect(hubFolder('org/tiny', { ...options, transfer })).rejects.toThrow(
      'its listing: nothing came for 50 ms, 3 times in a row',
    );
  });

  test('is not one that is slow', async () => {
    const idleTimeoutMs = 1_500;
    const startedMs = performance.now();
    onWeights((file) => {
      const step = (sent: number): void => {
        if (sent >= weights.length) return void file.response.end();
        file.response.write(weights.subarray(sent, sent + 125 * KIB));
        setTimeout(() => step(sent + 125 * KIB), 200);
      };
      file.response.writeHead(200, { 'content-length': weights.length });
      step(0);
    });
    await expectWhole(
      hubFolder('org/tiny', { ...options, transfer: { rangeBytes: 2 ** 30, idleTimeoutMs } }),
    );
    expect(performance.now() - startedMs).toBeGreaterThan(idleTimeoutMs);
    expect(server.requests.filter((path) => path.includes(WEIGHTS))).toHaveLength(1);
  });
});

describe('a hub that is busy', () => {
  test.each([
    // Dates are whole seconds; timers may be early by a millisecond.
    ['429 in seconds', 429, () => ({ 'retry-after': '1' }), 990],
    ['503 by a date', 503, () => ({ 'retry-after': new Date(Date.now() + 2_500).toUTCString() }), 1_000],
    ['429 in words of its own', 429, () => ({ ratelimit: '"resolvers";r=0;t=1' }), 990],
  ])('is given the time it asks for: %s', async (_, status, headersNow, leastMs) => {
    const times: number[] = [];
    onWeights((file) => {
      times.push(performance.now());
      if (file.earlier === 0) file.response.writeHead(status, headersNow()).end();
      else file.answer();
    });
    await expectWhole(hubFolder('org/tiny', { ...options, transfer: { rangeBytes: 2 ** 30, backoffMs: 1 } }));
    const [first = 0, second = 0] = times;
    expect(second - first).toBeGreaterThan(leastMs);
    expect(times).toHaveLength(2);
  });

  test.each([500, 502, 503, 504, 408])('is tried again: %i', async (status) => {
    onWeights((file) => {
      if (file.earlier < 3) file.response.writeHead(status).end();
      else file.answer();
    });
    await expectWhole(hubFolder('org/tiny', options));
  });

  test('says how long it wants to be left alone', async () => {
    onWeights((file) => file.response.writeHead(429, { 'retry-after': '3600' }).end());
    await expect(hubFolder('org/tiny', options)).rejects.toThrow(
      /answered 429 and asks to wait 60 minutes; .* allows more to those who set HF_TOKEN/,
    );
  });

  test('is told of when the wait is long', async () => {
    const notices: string[] = [];
    const abort = new AbortController();
    onWeights((file) => file.response.writeHead(429, { 'retry-after': '100' }).end());
    const failed = hubFolder('org/tiny', {
      ...options,
      signal: abort.signal,
      onNotice: (text) => {
        notices.push(text);
        abort.abort();
      },
    });
    await expect(failed).rejects.toThrow('aborted');
    expect(notices).toEqual([`${WEIGHTS}: ${server.url} answered 429; trying again in 100 s`]);
  });

  test('hands out addresses anew when its storage no longer takes one', async () => {
    const storage = await startHubServer([]);
    storage.trouble = (_, response) => {
      response.writeHead(403).end();
      return true;
    };
    try {
      onWeights((file) => {
        if (file.earlier > 4) file.answer();
        else file.response.writeHead(302, { location: `${storage.url}/expired` }).end();
      });
      await expectWhole(hubFolder('org/tiny', options));
      expect(storage.requests).toHaveLength(5);
    } finally {
      await storage.close();
    }
  });
});

describe('a damaged file', () => {
  const damaged = Buffer.from(weights);
  damaged[500_000] = (damaged[500_000] ?? 0) ^ 1;

  test('is fetched once more', async () => {
    const steps: HubProgress[] = [];
    onWeights((file) => file.answer(file.earlier < 8 ? damaged : weights));
    await expectWhole(hubFolder('org/tiny', { ...options, onProgress: (step) => steps.push(step) }));
    expect(server.served.get(WEIGHTS)).toBe(2 * weights.length);
    const total = weights.length + 2;
    expect(steps.at(-1)).toEqual({ done: total, checked: total, total });
    expect(Math.max(...steps.map(({ done }) => done))).toBe(total);
    expect(Math.min(...steps.map(({ checked }) => checked))).toBe(0);
  });

  test('that comes twice is refused, and nothing of it kept', async () => {
    onWeights((file) => file.answer(damaged));
    await expect(hubFolder('org/tiny', options)).rejects.toThrow(
      `came damaged 2 times: its SHA-256 is ${sha256(damaged)}; expected ${sha256(weights)}. It was removed.`,
    );
    expect((await blobs()).filter((name) => name.startsWith(sha256(weights)))).toEqual([]);
    await expectNoWeights();
  });

  test('is found by its git hash when it is small', async () => {
    server.onFile = (file) => file.answer(file.name === 'config.json' ? Buffer.from('[]') : undefined);
    await expect(hubFolder('org/tiny', options)).rejects.toThrow(
      'config.json came damaged 2 times: its git hash',
    );
  });
});

describe('a download that ends early', () => {
  /** Stops after about `byteLength` bytes of the weights. */
  async function interrupt(byteLength: number): Promise<void> {
    const abort = new AbortController();
    const stopped = hubFolder('org/tiny', {
      ...options,
      signal: abort.signal,
      onProgress: ({ done }) => done >= byteLength && abort.abort(),
    });
    await expect(stopped).rejects.toThrow('aborted');
    await expectNoWeights();
  }

  test('goes on where it stopped, with another instance', async () => {
    onWeights((file) => {
      // The fourth range never ends.
      if (file.earlier === 3) file.begin(40 * KIB, () => {});
      else setTimeout(() => file.answer(), 20 * file.earlier);
    });
    await interrupt(600 * KIB);
    const servedBefore = server.served.get(WEIGHTS) ?? 0;
    expect(servedBefore).toBeGreaterThanOrEqual(600 * KIB);
    onWeights((file) => file.answer());
    const steps: HubProgress[] = [];
    await expectWhole(hubFolder('org/tiny', { ...options, onProgress: (step) => steps.push(step) }));
    const kept = steps[0]?.done ?? 0;
    expect(kept).toBeGreaterThanOrEqual(600 * KIB);
    const servedLater = (server.served.get(WEIGHTS) ?? 0) - servedBefore;
    // What was left of the weights; config.json had come, or its 2 bytes come now.
    expect([0, 2]).toContain(servedLater + kept - weights.length);
  });

  test('throws away what it kept when that turns out damaged', async () => {
    onWeights((file) => {
      if (file.earlier === 7) file.begin(0, () => {});
      else file.answer(Buffer.alloc(weights.length));
    });
    await interrupt(700 * KIB);
    onWeights((file) => file.answer());
    await expectWhole(hubFolder('org/tiny', options));
  });
});

describe('two downloads at once', () => {
  test('fetch every byte once', async () => {
    const notices: string[] = [];
    let goOn = (): void => {};
    const isWaitedFor = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    onWeights((file) => void isWaitedFor.then(() => file.answer()));
    const onNotice = (text: string): void => {
      notices.push(text);
      goOn();
    };
    const both = [1, 2].map(() => hubFolder('org/tiny', { ...options, onNotice }));
    await Promise.all(both.map(expectWhole));
    expect(server.served.get(WEIGHTS)).toBe(weights.length);
    expect(notices).toEqual(['another process downloads this model: waiting for it']);
  });

  test('and the second goes on when the first is stopped', async () => {
    const abort = new AbortController();
    onWeights((file) => setTimeout(() => file.answer(), 30));
    let second: Promise<string> | undefined;
    const first = hubFolder('org/tiny', {
      ...options,
      signal: abort.signal,
      onProgress({ done }) {
        second ??= hubFolder('org/tiny', options);
        if (done > 300 * KIB) abort.abort();
      },
    });
    await expect(first).rejects.toThrow('aborted');
    await expectWhole(second ?? Promise.reject(new Error('no progress')));
  });
});
