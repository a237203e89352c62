import { create, element } from './elements.ts';

/** What helps, by what this page can see of its browser. */
export function adviceFor(agent: string, isSecure: boolean, hasApi: boolean): readonly string[] {
  const advice: string[] = [];
  if (!isSecure)
    advice.push(
      'Open this page over https, or as http://localhost: browsers hide the GPU from pages that came unencrypted.',
    );
  if (/Firefox\//.test(agent))
    advice.push(
      'In Firefox: update to 141 on Windows or 145 on a Mac with Apple silicon, where WebGPU is on. Elsewhere, open about:config and set dom.webgpu.enabled to true.',
    );
  else if (/Chrom(e|ium)\//.test(agent)) {
    advice.push('In Chrome, Edge or another Chromium: update to version 113 or newer, on Android 121.');
    if (hasApi)
      advice.push(
        'Turn on “Use graphics acceleration when available” in its settings under System, then restart it.',
      );
    if (/Linux/.test(agent) && !/Android/.test(agent))
      advice.push(
        'On Linux: open chrome://flags/#enable-unsafe-webgpu, choose Enabled, and restart. The page chrome://gpu says what your driver offers.',
      );
  } else if (/Safari\//.test(agent))
    advice.push(
      'In Safari: update to 26, on iPhone and iPad too. In 18, turn on WebGPU in Settings under Apps, Safari, Advanced, Feature Flags.',
    );
  advice.push('Update the driver of your graphics card.');
  advice.push('Or try another browser or device: webgpureport.org shows what one can do.');
  return advice;
}

/** Puts what to do in place of the app. */
export function showMissing(reason: string, onRetry: () => void): void {
  const hasApi = 'gpu' in navigator;
  element('app', HTMLElement).hidden = true;
  element('missing', HTMLElement).hidden = false;
  element('missing-reason', HTMLElement).textContent = hasApi
    ? 'it found no usable one here'
    : 'this browser does not have it switched on';
  element('missing-advice', HTMLOListElement).replaceChildren(
    ...adviceFor(navigator.userAgent, isSecureContext, hasApi).map((text) => create('li', {}, text)),
  );
  element('missing-details', HTMLElement).textContent = `${reason} ${navigator.userAgent}`;
  element('missing-retry', HTMLButtonElement).addEventListener('click', onRetry);
}
