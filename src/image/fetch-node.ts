import type { LookupAddress, LookupOptions } from 'node:dns';
import type { IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import { importHidden } from './import-hidden.ts';
import { literalAddress } from './public-address.ts';
import { checkScheme } from './url-scheme.ts';

const MAX_REDIRECTS = 5;

/**
 * Opens a URL, following redirects, with every hop's address checked. The check sits in the socket's own name
 * lookup, so that a name cannot answer one address when checked and another when connected to (DNS rebinding).
 * `fetch` has no such hook in Node without a further dependency.
 */
export async function openInNode(
  url: URL,
  signal: AbortSignal,
  isAllowed: (address: string) => boolean,
  accept = 'image/*',
): Promise<AsyncIterable<Uint8Array>> {
  const lookup = await guardedLookup(isAllowed);
  let hop = url;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    checkScheme(hop);
    const address = literalAddress(hop);
    // A written-out address is connected to without a lookup.
    if (address !== null) checkAddresses(hop.hostname, [address], isAllowed);
    const response = await get(hop, signal, accept, lookup);
    const status = response.statusCode ?? 0;
    if (status === 200) return response;
    response.destroy();
    const { location } = response.headers;
    if (status < 300 || status >= 400 || location === undefined) {
      throw new Error(`the server answered ${status}; expected 200`);
    }
    hop = new URL(location, hop);
  }
  throw new Error(`it redirects more than ${MAX_REDIRECTS} times`);
}

async function get(
  url: URL,
  signal: AbortSignal,
  accept: string,
  lookup: LookupFunction,
): Promise<IncomingMessage> {
  const client = (await importHidden(
    url.protocol === 'https:' ? 'node:https' : 'node:http',
  )) as typeof import('node:http');
  return new Promise((resolve, reject) => {
    const headers = { accept, 'user-agent': 'tessera-vlm' };
    // No agent: a pooled socket may have been opened without the guard.
    const options = { headers, signal, agent: false, lookup };
    client.get(url, options, resolve).on('error', reject);
  });
}

async function guardedLookup(isAllowed: (address: string) => boolean): Promise<LookupFunction> {
  const dns = (await importHidden('node:dns')) as typeof import('node:dns');
  return (hostname: string, options: LookupOptions, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, found: LookupAddress[]) => {
      if (error) return callback(error, []);
      try {
        checkAddresses(
          hostname,
          found.map(({ address }) => address),
          isAllowed,
        );
      } catch (refusal) {
        return callback(refusal as Error, []);
      }
      const [first] = found;
      if (options.all || !first) return callback(null, found);
      return callback(null, first.address, first.family);
    });
  };
}

function checkAddresses(
  host: string,
  addresses: readonly string[],
  isAllowed: (address: string) => boolean,
): void {
  const refused = addresses.find((address) => !isAllowed(address));
  if (refused !== undefined) {
    throw new Error(
      `${host} is ${refused}, an address of this machine or a private network. Pass allowPrivateAddresses to permit it`,
    );
  }
}
