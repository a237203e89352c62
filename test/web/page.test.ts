/** The page as people use it, in a real browser: its whole path on the built-in model, which Node answers alike. */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadContrastiveModel } from '../../src/embed/load-contrastive-model.ts';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { scoreByAsking } from '../../src/web/engine/label-scores.ts';
import { wordAttention } from '../../src/web/engine/word-attention.ts';
import type { KernelReport, WordAttention } from '../../src/web/protocol.ts';
import { testAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { hasChromium, inChromium, launchChromium } from '../runtimes/chromium.ts';
import { type BuiltPage, serveBuiltPage, untilReady, watchPage } from './built-page.ts';
import { COMMIT, routeHub } from './hub-routes.ts';

const VIEWS = ['ask', 'labels', 'kernels', 'storage'];
/** The text of axe-core, which finds faults of accessibility. */
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const QUESTION = 'Describe the image.';
const PICTURE = 'examples/scene.png';
const CLIP = 'test/video/clips/h264.mp4';
const CLIP_MODEL = 'test/goldens/clip';
const { answer: ANSWER, answerIds } = expectedAnswer('scene-02.png', QUESTION);

describe.skipIf(!hasChromium)(inChromium('the page'), () => {
  let built: BuiltPage;
  let browser: Browser;
  let page: Page;
  let watched: ReturnType<typeof watchPage>;
  let node: VisionLanguageModel;

  beforeAll(async () => {
    built = await serveBuiltPage();
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
    page.setDefaultTimeout(60_000);
    watched = watchPage(page, built.url);
    await page.addInitScript(countAdapters);
    // Before the page, whose progress is to be seen.
    node = await loadModel(undefined, { adapter: testAdapters()[0], dtype: 'f32' });
    await page.goto(built.url);
  });
  afterEach(() => expect(watched.complaints.splice(0)).toEqual([]));
  afterAll(async () => {
    node?.dispose();
    await browser?.close();
    await built?.close();
  });

  const text = async (id: string): Promise<string> => (await page.locator(`#${id}`).textContent()) ?? '';
  const view = (name: string) => page.click(`nav.views a[href="#${name}"]`);

  test('loads the built-in model at once, and says how far it is', async () => {
    const said = page.locator('#model-facts', {
      hasText: /^(Downloading|Moving weights to the GPU|Building shaders): /,
    });
    await said.waitFor();
    expect(await page.locator('#model-progress').getAttribute('aria-valuenow')).toMatch(/^\d+$/);
    await untilReady(page);
    expect(await text('model-facts')).toMatch(/^llava · \d+ MB on the GPU · loaded in /);
    expect(await text('foot-device')).toMatch(/swiftshader/i);
  });

  test('answers about a picture as the reference does, and shows speed and memory', async () => {
    await page.fill('#question', QUESTION);
    await page.click('#ask-button');
    await page.locator('#answer .word').first().waitFor();
    expect(await text('answer')).toBe(ANSWER);
    expect(await page.locator('#answer .word').allTextContents()).toEqual(ANSWER.split(' '));
    const facts = await text('answer-facts');
    expect(facts).toMatch(/[\d.]+ tokens\/s/);
    expect(facts).toMatch(new RegExp(`read, ${answerIds.length} written`));
    expect(facts).toMatch(/\d+ MB, \d+ MB at most/);
  });

  test('shows for a word where the model looked, as in Node', async () => {
    const maps = await wordAttention(node, { image: PICTURE, prompt: QUESTION, answer: answerIds });
    await page.locator('#answer .word', { hasText: 'strawberry' }).click();
    await page.locator('.frame.heated').waitFor();
    const expectShown = async (wanted: WordAttention | undefined) => {
      const levels = await page
        .locator('#heat rect')
        .evaluateAll((all) => all.map((one) => Number((one as SVGElement).dataset.level)));
      const values = [...(wanted?.maps[0]?.values ?? [])];
      const largest = Math.max(...values);
      expect(levels).toHaveLength(64);
      for (const [i, value] of values.entries()) expect(levels[i]).toBeCloseTo(value / largest, 2);
      expect(await text('heat-text')).toBe(
        `${Math.round(100 * (wanted?.share ?? 0))} % of the attention for “${wanted?.word}” went to the picture.`,
      );
    };
    await expectShown(maps.find(({ word }) => word === 'strawberry'));
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowRight');
    await page.locator('.word[aria-pressed="true"]', { hasText: 'carrot' }).waitFor();
    await expectShown(maps.find(({ word }) => word === 'carrot'));
  });

  test('ranks labels as Node does', async () => {
    await view('labels');
    await page.fill('#label-list', 'cat, strawberry, carrot, cat');
    await page.click('#labels-button');
    await page.locator('#label-bars li').first().waitFor();
    const labels = ['cat', 'strawberry', 'carrot'];
    const scores = await scoreByAsking(node, PICTURE, labels, await page.inputValue('#sentence'));
    const shown = await page
      .locator('#label-bars li')
      .evaluateAll((all) =>
        all.map((one) => [
          one.querySelector('.bar-name')?.textContent,
          Number.parseFloat(one.querySelector('.bar-value')?.textContent ?? ''),
        ]),
      );
    expect(shown.map(([name]) => name).sort()).toEqual([...labels].sort());
    for (const { label, probability } of scores) {
      const [, percent] = shown.find(([name]) => name === label) ?? [];
      expect(Math.abs(Number(percent) - 100 * probability)).toBeLessThan(0.6);
    }
    expect(shown.at(-1)?.[0]).toBe('cat');
  });

  test('asks about a video, decoded in the page', async () => {
    await view('ask');
    await page.setInputFiles('#file', CLIP);
    await page.locator('#video:not([hidden])').waitFor();
    await page.locator('.options summary').click();
    await page.fill('#frames', '2');
    await page.fill('#question', QUESTION);
    await page.click('#ask-button');
    await page.locator('#answer-facts:not([hidden])').waitFor();
    const video = { type: 'video', video: CLIP, numFrames: 2 } as const;
    const content = [video, { type: 'text', text: QUESTION }] as const;
    const { text: wanted } = await node.generate({ messages: [{ role: 'user', content }], greedy: true });
    expect(await text('answer')).toBe(wanted.trim());
    // There is no one picture to lay a map over.
    expect(await page.locator('#answer .word').count()).toBe(0);
    await page.locator('#samples button').first().click();
  });

  test('computes in its worker alone', async () => {
    expect(page.workers().map((worker) => new URL(worker.url()).pathname)).toEqual([
      '/some/folder/engine.js',
    ]);
    expect(await page.evaluate(() => Reflect.get(globalThis, 'adapterRequests'))).toBe(0);
  });

  test('goes from question to words by keyboard alone, and shows where it is', async () => {
    await page.locator('body').press('Control+Home');
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    const tabTo = async (selector: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press('Tab');
        const outline = await page.evaluate(focusOutline);
        expect(outline, `focus after ${i + 1} tabs on the way to ${selector}`).not.toBe('none');
        if (await page.locator(`${selector}:focus`).count()) return;
      }
      throw new Error(`60 tabs lead nowhere near ${selector}`);
    };
    await tabTo('#question');
    await page.keyboard.press('Control+A');
    await page.keyboard.type('What colour is the background?');
    await page.keyboard.press('Enter');
    await page.locator('#answer .word').first().waitFor();
    expect(await text('answer')).toBe(
      expectedAnswer('scene-02.png', 'What colour is the background?').answer,
    );
    await tabTo('.word');
    await page.locator('.frame.heated').waitFor();
    await page.keyboard.press('End');
    await page.locator('.word[aria-pressed="true"]', { hasText: 'grey.' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await page.locator('.frame.heated').count()).toBe(0);
  });

  test('fits a phone', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    for (const name of VIEWS) {
      await view(name);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(width, `width of ${name}`).toBeLessThanOrEqual(360);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
  });

  test('has light and dark colours, by the system and by choice', async () => {
    const brightness = () =>
      page.evaluate(() => Number(getComputedStyle(document.body).backgroundColor.match(/\d+/)?.[0]));
    await expect.poll(brightness).toBeGreaterThan(200);
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(brightness).toBeLessThan(60);
    await page.getByRole('button', { name: 'Light colours' }).click();
    await expect.poll(brightness).toBeGreaterThan(200);
    await page.getByRole('button', { name: 'Dark colours' }).click();
    await expect.poll(brightness).toBeLessThan(60);
  });

  test.each(['dark', 'light'])('has no fault that axe knows, in %s colours', async (theme) => {
    if ((await page.getAttribute('html', 'data-theme')) !== theme) await page.click('#theme');
    for (const name of VIEWS) {
      await view(name);
      expect(await faultsOf(page), name).toEqual([]);
    }
    await page.click('#model-change');
    expect(await faultsOf(page), 'the dialog').toEqual([]);
    await page.keyboard.press('Escape');
  });

  test('times kernels against the limits, and gives the report as JSON', async () => {
    await view('kernels');
    await page.click('#kernels-none');
    for (const name of ['softmax', 'concat']) await page.getByLabel(name, { exact: true }).check();
    await page.selectOption('#seconds', '0.1');
    await page.click('#kernels-run');
    await page.locator('#kernels-download:not([hidden])').waitFor();
    expect(await page.locator('#kernel-rows tr').count()).toBe(2);
    expect(await page.locator('#kernel-bars li').count()).toBe(2);
    // Copying does no arithmetic, and has no place on a roofline.
    expect(await page.locator('#roofline .kernel').count()).toBe(1);
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#kernels-download')]);
    const report = JSON.parse(readFileSync(await download.path(), 'utf8')) as KernelReport;
    expect(download.suggestedFilename()).toMatch(/^tessera-kernels-\d{4}-\d\d-\d\d\.json$/);
    expect(report.adapter).toMatch(/swiftshader/i);
    expect(report.failures).toEqual([]);
    expect(report.rows.map(({ op }) => op)).toEqual(['softmax', 'concat']);
    for (const number of [report.peak.gflops, report.peak.gbps, ...report.rows.map(({ ms }) => ms)])
      expect(number).toBeGreaterThan(0);
  });

  test('downloads a model of the hub, goes on where it was cut, and then needs no network', async () => {
    const hub = await routeHub(page, 'some/clip', CLIP_MODEL);
    const download = async (): Promise<void> => {
      await page.click('#model-change');
      await page.fill('#address', 'some/clip');
      await page.click('#address-form button');
    };
    hub.cut = true;
    await download();
    await page.locator('#model-error', { hasText: 'The connection was cut: try again.' }).waitFor();
    hub.cut = false;
    hub.requests.length = 0;
    await download();
    const loaded = page.locator('#model-facts', { hasText: /^clip, compares pictures with texts/ });
    await loaded.waitFor();
    const half = statSync(`${CLIP_MODEL}/model.safetensors`).size >> 1;
    // Its small files are there already.
    expect(hub.requests).toEqual([
      '/api/models/some/clip/revision/main',
      `/some/clip/resolve/${COMMIT}/model.safetensors bytes=${half}-`,
    ]);
    hub.down = true;
    hub.requests.length = 0;
    await page.click('#model-change');
    await page.locator('#choices button', { hasText: 'some/clip' }).click();
    await page.locator('#model-facts', { hasText: 'Opening…' }).waitFor({ state: 'detached' });
    await loaded.waitFor();
    expect(hub.requests).toEqual([]);
  });

  test('opens without a network once it was seen', async () => {
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
    built.requests.length = 0;
    await page.context().setOffline(true);
    await page.reload();
    await untilReady(page);
    expect(await text('model-facts')).toMatch(/^llava · /);
    await page.context().setOffline(false);
    // The browser itself looks whether there is a newer one.
    expect(built.requests.filter((path) => path !== 'service-worker.js')).toEqual([]);
  });

  test('keeps the weights, and deletes them when asked', async () => {
    await view('storage');
    const entry = page.locator('#stored li', { hasText: 'Built-in model' });
    expect(await entry.textContent()).toMatch(/9\.\d MB in \d files/);
    await entry.getByRole('button', { name: 'Delete Built-in model' }).click();
    await page.getByRole('button', { name: 'Delete some/clip' }).click();
    await page.locator('#stored', { hasText: 'Nothing is stored.' }).waitFor();
  });

  test('compares pictures with texts by a CLIP that is picked from a folder, as in Node', async () => {
    await page.click('#model-change');
    await page.setInputFiles('#folder', CLIP_MODEL);
    await page.locator('#model-facts', { hasText: /^clip, compares pictures with texts/ }).waitFor();
    expect(await page.locator('#ask-button').isDisabled()).toBe(true);
    await view('labels');
    await page.fill('#label-list', 'cat, dog, house');
    await page.fill('#sentence', 'a photo of a {}');
    await page.click('#labels-button');
    await page.locator('#label-bars li', { hasText: 'house' }).waitFor();
    const clip = await loadContrastiveModel(CLIP_MODEL, { adapter: testAdapters()[0], dtype: 'f32' });
    const scores = await clip.classify(PICTURE, ['cat', 'dog', 'house'], { template: 'a photo of a {}' });
    clip.dispose();
    const bars = await page.locator('#label-bars li').allInnerTexts();
    expect(bars.map((bar) => bar.split('\n')[0])).toEqual(scores.map(({ label }) => label));
    for (const [i, { probability }] of scores.entries())
      expect(Math.abs(Number.parseFloat(bars[i]?.split('\n').at(-1) ?? '') - 100 * probability)).toBeLessThan(
        0.6,
      );
  });

  test('asked nothing of any other host but what was asked for', () => {
    expect(watched.elsewhere.filter((url) => !url.includes('some/clip'))).toEqual([]);
  });

  test('says what to do where there is no WebGPU', async () => {
    const without = await launchChromium({ webgpu: false });
    try {
      const bare = await without.newPage();
      const { complaints } = watchPage(bare, built.url);
      await bare.goto(built.url);
      await bare.locator('#missing').waitFor();
      expect(await bare.locator('#missing').textContent()).toMatch(/can’t reach a GPU/);
      expect(await bare.locator('#missing-advice li').allInnerTexts()).toEqual(
        expect.arrayContaining([expect.stringMatching(/chrome:\/\/flags\/#enable-unsafe-webgpu/)]),
      );
      expect(await bare.locator('#app').isVisible()).toBe(false);
      expect(complaints.filter((line) => !/WebGPU/.test(line))).toEqual([]);
    } finally {
      await without.close();
    }
  });
});

/** In the page, before anything else runs: how often the page itself, not its worker, asks for a GPU. */
function countAdapters(): void {
  Object.assign(globalThis, { adapterRequests: 0 });
  const request = GPU.prototype.requestAdapter;
  GPU.prototype.requestAdapter = function (...options) {
    Reflect.set(globalThis, 'adapterRequests', Reflect.get(globalThis, 'adapterRequests') + 1);
    return request.apply(this, options);
  };
}

/** In the page: how the element that has the focus, or the label that stands for it, shows that. */
function focusOutline(): string {
  const focused = document.activeElement;
  if (!focused || focused === document.body) return 'outside of the page';
  const shown = focused.closest('.file-button')?.querySelector('span') ?? focused;
  return getComputedStyle(shown).outlineStyle;
}

/** What axe finds, with the elements. */
async function faultsOf(page: Page): Promise<string[]> {
  // The text is given to the browser's debugger, which the page's policy does not bind.
  await page.evaluate(AXE);
  const { violations } = (await page.evaluate('axe.run()')) as AxeResults;
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(' | ')}`,
  );
}
