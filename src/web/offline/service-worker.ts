/** Keeps the page's own files, so that it opens without a network. Weights are stored by the page. */

/** Put in by the build. */
declare const FILES: readonly string[];
declare const REVISION: string;

/** What a service worker's global scope has, which the DOM library lacks. */
interface WorkerScope {
  readonly location: Location;
  addEventListener(type: 'install' | 'activate', listener: (event: LifeEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchingEvent) => void): void;
}
interface LifeEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchingEvent extends LifeEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const scope = self as unknown as WorkerScope;
const NAME = 'tessera-page-';
const CACHE = NAME + REVISION;
const own = new Set(FILES.map((file) => new URL(file, scope.location.href).href));

scope.addEventListener('install', (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll([...own].map((url) => new Request(url, { cache: 'reload' })))),
  );
});

scope.addEventListener('activate', (event) => {
  const clear = async (): Promise<void> => {
    for (const name of await caches.keys())
      if (name.startsWith(NAME) && name !== CACHE) await caches.delete(name);
  };
  event.waitUntil(clear());
});

scope.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  url.hash = '';
  url.search = '';
  if (event.request.method !== 'GET' || !own.has(url.href)) return;
  const answer = async (): Promise<Response> =>
    (await (await caches.open(CACHE)).match(url.href)) ?? fetch(event.request);
  event.respondWith(answer());
});
