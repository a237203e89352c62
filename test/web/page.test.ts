/** The page as people use it, in a real browser: its whole path on the built-in model, which Node answers alike. */
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { loadModel } from '../../src/generate/load-model.ts';
import type { VisionLanguageModel } from '../../src/generate/vision-language-model.ts';
import { scoreByAsking } from '../../src/web/engine/label-scores.ts';
import { wordAttention } from '../../src/web/engine/word-attention.ts';
import type { KernelReport, WordAttention } from '../../src/web/protocol.ts';
import { testAdapters } from '../adapters.ts';
import { expectedAnswer } from '../expected-answer.ts';
import { hasChromium, inChromium, launchChromium } from '../runtimes/chromium.ts';
import { type BuiltPage, serveBuiltPage, untilReady, watchPage } from './built-page.ts';

const QUESTION = 'Describe the image.';
const PICTURE = 'examples/scene.png';
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
    await page.goto(built.url);
    node = await loadModel(undefined, { adapter: testAdapters()[0], dtype: 'f32' });
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
    const facts = await page.locator('#answer-facts').innerText();
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

  test('keeps the weights, and deletes them when asked', async () => {
    built.requests.length = 0;
    await page.reload();
    await untilReady(page);
    expect(built.requests.filter((path) => path.startsWith('models/'))).toEqual([]);
    await view('storage');
    const entry = page.locator('#stored li', { hasText: 'Built-in model' });
    expect(await entry.innerText()).toMatch(/9\.\d MB in \d files/);
    await entry.getByRole('button', { name: 'Delete Built-in model' }).click();
    await page.locator('#stored', { hasText: 'Nothing is stored.' }).waitFor();
  });

  test('asked nothing of any other host', () => expect(watched.elsewhere).toEqual([]));

  test('says what to do where there is no WebGPU', async () => {
    const without = await launchChromium({ webgpu: false });
    try {
      const bare = await without.newPage();
      const { complaints } = watchPage(bare, built.url);
      await bare.goto(built.url);
      await bare.locator('#missing').waitFor();
      expect(await bare.locator('#missing').innerText()).toMatch(/can’t reach a GPU/);
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
