/** Throws for any scheme but http and https: no file, data or browser-internal page by way of a redirect. */
export function checkScheme(url: URL): void {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new Error(`its scheme is "${url.protocol}"; expected http or https`);
  }
}
