/** Pictures of the page for the docs, taken in Chromium: `npm run web:screenshots`. */
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { buildPage } from './build.ts';
import { servePage } from './serve.ts';

const OUT = process.argv[2] ?? 'docs/images';
const FOLDER = 'dist-web';
const FLAGS = ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const PATIENCE_MS = 300_000;
/** Those that a CPU gets done in seconds. */
const KERNELS = [
  'matvec',
  'softmax',
  'layerNorm',
  'attention decode',
  'add',
  'gelu',
  'rope',
  'conv2d 3x3',
  'interpolate',
];

mkdirSync(OUT, { recursive: true });
await buildPage(FOLDER, { offline: false });
const server = servePage(FOLDER);
await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address() as AddressInfo;
const launch = (args: readonly string[]): Promise<Browser> =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: [...args] });

/** Once nothing moves any more. */
async function shoot(page: Page, name: string): Promise<void> {
  await page.evaluate(() => Promise.all(document.getAnimations().map(({ finished }) => finished)));
  await page.screenshot({ path: `${OUT}/${name}.png` });
  console.log(`${OUT}/${name}.png`);
}

const open = async (browser: Browser, options: Parameters<Browser['newPage']>[0]): Promise<Page> => {
  const page = await browser.newPage(options);
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`http://127.0.0.1:${port}/`);
  return page;
};

async function askAndLook(page: Page): Promise<void> {
  await page.locator('#ask-button:not([disabled])').click();
  await page.locator('.word', { hasText: 'strawberry' }).click();
  await page.locator('.frame.heated').waitFor();
}

const dark = (page: Page): Promise<void> => page.click('#theme');

const browser = await launch(FLAGS);
const desktop = await open(browser, { viewport: { width: 1280, height: 980 }, colorScheme: 'light' });
await askAndLook(desktop);
await shoot(desktop, 'page-desktop');
await dark(desktop);
await desktop.click('a[href="#labels"]');
await desktop.click('#labels-button');
await desktop.locator('#label-bars li').first().waitFor();
await shoot(desktop, 'page-labels-dark');
await dark(desktop);
await desktop.click('a[href="#kernels"]');
await desktop.locator('.check').first().waitFor();
await desktop.click('#kernels-none');
for (const name of KERNELS) await desktop.getByLabel(name, { exact: true }).check();
await desktop.click('#kernels-run');
await desktop.locator('#kernels-download:not([hidden])').waitFor();
await desktop.locator('#kernels-status').evaluate((line) => line.scrollIntoView());
await shoot(desktop, 'page-kernels');
await desktop.close();

const phone = await open(browser, {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
  colorScheme: 'light',
});
await phone.locator('#ask-button:not([disabled])').waitFor();
await askAndLook(phone);
await phone.locator('#answer').evaluate((words) => words.scrollIntoView({ block: 'end' }));
await phone.mouse.wheel(0, 150);
await phone.waitForTimeout(500);
await shoot(phone, 'page-phone');
await phone.close();
await browser.close();

const without = await launch(['--no-sandbox', '--disable-gpu', '--disable-features=WebGPU']);
const missing = await open(without, { viewport: { width: 1280, height: 900 } });
await missing.locator('#missing').waitFor();
await shoot(missing, 'page-missing-webgpu');
await without.close();
server.close();
