import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const DEBIAN_CHROMIUM = '/usr/bin/chromium';
const QUIET = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
const WEBGPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/** Set `CHROMIUM` to the path of another Chromium than Debian's. */
export const hasChromium = process.env.CHROMIUM !== undefined || existsSync(DEBIAN_CHROMIUM);

/** A title that says why a suite is skipped where it is. */
export const inChromium = (what: string): string =>
  hasChromium
    ? `${what} in Chromium`
    : `${what} in Chromium (skipped: no ${DEBIAN_CHROMIUM} and no CHROMIUM; run .ci/install)`;

/** Headless, with WebGPU on SwiftShader, or without WebGPU. */
export const launchChromium = ({ webgpu = true } = {}): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? DEBIAN_CHROMIUM,
    args: [...QUIET, ...(webgpu ? WEBGPU : ['--disable-features=WebGPU', '--disable-gpu'])],
  });
