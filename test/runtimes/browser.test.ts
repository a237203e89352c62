/** The engine in a real browser: Chromium with SwiftShader, bundled and served as a page would be. */
import type { Browser, JSHandle, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openVideo } from '../../src/video/open-video.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { readFixture } from '../image/read-fixture.ts';
import { readGoldenJson } from '../read-golden.ts';
import { fieldColours, spelledIndex } from '../video/clip-frame.ts';
import type { RangeServer } from '../weights/range-server.ts';
import { hasChromium, inChromium, launchChromium } from './chromium.ts';
import { GOLDENS, servePage } from './page-server.ts';

const { pictures } = readFixture<Pictures>('pillow-pictures.json');
const QUESTION = 'Describe the image.';

interface Pictures {
  readonly pictures: readonly {
    readonly name: string;
    readonly file: string;
    readonly width: number;
    readonly height: number;
    readonly rgb: string;
  }[];
}

interface LlavaReference {
  readonly runs: readonly {
    readonly name: string;
    readonly prompt: string;
    readonly generated_ids: readonly number[];
  }[];
}

type Engine = JSHandle<typeof import('./page.ts')>;

describe.skipIf(!hasChromium)(inChromium('the engine'), () => {
  let server: RangeServer;
  let browser: Browser;
  let page: Page;
  let engine: Engine;
  const complaints: string[] = [];

  beforeAll(async () => {
    server = await servePage();
    browser = await launchChromium();
    page = await browser.newPage();
    engine = await importEngine(page);
  });
  afterEach(() => expect(complaints.splice(0)).toEqual([]));
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  async function importEngine(page: Page): Promise<Engine> {
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => {
      // Every 404 is logged, also of a file that a checkpoint may or may not have.
      if (!/status of 404/.test(message.text())) complaints.push(`${message.type()}: ${message.text()}`);
    });
    await page.goto(server.url);
    return page.evaluateHandle("import('/page.js')");
  }

  const loadModel = (checkpoint: string) =>
    engine.evaluateHandle(({ loadModel }, url) => loadModel(url, { dtype: 'f32' }), server.url + checkpoint);

  /** Waits for one more answer of the GPU process, so that errors on the way are in. */
  async function dispose(model: Awaited<ReturnType<typeof loadModel>>): Promise<void> {
    await model.evaluate((model) => model.dispose());
    await page.evaluate('navigator.gpu.requestAdapter().then(() => {})');
  }

  test('the built-in model answers as the reference does, token for token', async () => {
    const model = await loadModel('/models/demo');
    expect(await model.evaluate(({ adapterName }) => adapterName)).toMatch(/swiftshader/i);
    const result = await engine.evaluate(
      ({ ask }, { model, prompt }) => ask(model, '/examples/scene.png', { prompt, greedy: true }),
      { model, prompt: QUESTION },
    );
    const { promptIds, answerIds, answer } = expectedAnswer('scene-02.png', QUESTION);
    expect(result).toEqual({ promptTokenIds: promptIds, tokenIds: answerIds, text: answer });
    await dispose(model);
  });

  test('a sharded LLaVA 1.5, read by ranges, goes on as the reference does', async () => {
    server.requests.length = 0;
    const model = await loadModel('/test/goldens/llava15');
    const shards = server.requests.filter((request) => /\.safetensors(?!\.index)/.test(request));
    expect(shards.length).toBeGreaterThan(6);
    for (const request of shards) expect(request).toMatch(/ bytes=\d+-\d+$/);

    const { runs } = readGoldenJson<LlavaReference>('llava15/reference.json');
    const run = runs.find(({ name }) => name === 'chat');
    const result = await engine.evaluate(
      ({ ask }, { model, prompt, maxNewTokens }) =>
        ask(model, '/test/goldens/llava15/image_0.png', { prompt, maxNewTokens, raw: true, greedy: true }),
      { model, prompt: run?.prompt ?? '', maxNewTokens: run?.generated_ids.length ?? 0 },
    );
    expect(result.tokenIds).toEqual(run?.generated_ids);
    await dispose(model);
  });

  describe('recorded checkpoints', () => {
    let device: JSHandle<Awaited<ReturnType<typeof import('./page.ts').requestDevice>>>;
    // One device for all: families share most pipelines, and SwiftShader takes half a second for each.
    beforeAll(async () => {
      device = await engine.evaluateHandle(({ requestDevice }) => requestDevice());
    });
    afterAll(() => device?.evaluate((device) => device.dispose()));

    test.each(GOLDENS)('%s computes what the reference recorded', async (name) => {
      const result = await engine.evaluate(({ verify }, { device, url }) => verify(device, url), {
        device,
        url: `${server.url}/test/goldens/${name}`,
      });
      expect(result.failed).toEqual([]);
      expect(result.stages).toBeGreaterThan(10);
    });
  });

  test('a page without WebGPU gets a DeviceError that says what it takes', async () => {
    const olderPage = await browser.newPage();
    await olderPage.addInitScript('delete Navigator.prototype.gpu');
    const engine = await importEngine(olderPage);
    expect(await olderPage.evaluate('navigator.gpu')).toBeUndefined();
    const failure = await engine.evaluate(
      ({ loadFailure }, url) => loadFailure(url),
      `${server.url}/models/demo`,
    );
    expect(failure).toEqual({
      name: 'DeviceError',
      code: 'device',
      message:
        'requestDevice: navigator.gpu is missing; expected a browser with WebGPU and a secure context ' +
        '(https or localhost).',
    });
  });

  /** Debian's Chromium has no HEVC. */
  const clips = ['h264.mp4', 'h264.mov', 'h264.mkv', 'fragmented.mp4', 'bt709.mp4', 'full-range.mp4'];
  const others = ['av1.mp4', 'vp8.webm', 'vp9.webm', 'vp9-10bit.webm', 'animated.gif', 'animated.webp'];

  test.each([...clips, ...others])('%s gives the frames and the colours it gives in Node', async (name) => {
    const wanted = [0, 7, 8, 8, 10, 18];
    const clip = await engine.evaluate(({ readClip }, { url, wanted }) => readClip(url, wanted), {
      url: `${server.url}/test/video/clips/${name}`,
      wanted,
    });
    const video = await openVideo(`test/video/clips/${name}`);
    const shown: { readonly index: number; readonly colours: number[][] }[] = [];
    for await (const picture of video.frames(wanted)) {
      shown.push({ index: spelledIndex(picture), colours: fieldColours(picture) });
    }
    expect(shown.map(({ index }) => index)).toEqual(wanted);
    const timesSeconds = Array.from(video.timesSeconds ?? []);
    expect(clip).toEqual({ width: 64, height: 48, frameCount: 20, fps: 10, timesSeconds, shown });
  });

  test.each([
    ['hevc.mp4', /its codec hev1\S* cannot be decoded here; expected/],
    ['audio.m4a', /it holds no pictures \(only audio\)/],
    ['none.mp4', /it cannot be fetched \(the server answered 404/],
  ])('%s is refused in a page', async (name, reason) => {
    const clip = await engine.evaluate(
      ({ readClip }, url) => readClip(url, [0]),
      `${server.url}/test/video/clips/${name}`,
    );
    expect('failure' in clip ? clip.failure : 'none').toMatch(reason);
  });

  // A canvas holds 8 bits, so that 16-bit grey comes scaled, where Pillow clips it.
  const decoded = pictures.filter(({ name }) => name !== 'grey-16.png');

  test.each(decoded)('$name decodes as in Pillow', async ({ file, width, height, rgb }) => {
    const picture = await engine.evaluate(({ decode }, file) => decode(file), file);
    expect(picture).toEqual({ width, height, rgb });
  });
});
