/** Put in by the build. */
declare const OFFLINE: boolean;

/** Lets the browser keep the page for when there is no network. Where it can't, the page works all the same. */
export function keepPage(): void {
  if (OFFLINE && 'serviceWorker' in navigator)
    navigator.serviceWorker.register('service-worker.js').catch(() => undefined);
}
