import ipaddr from 'ipaddr.js';

/**
 * Whether an IP address is one of the open internet: not loopback, private, link-local, carrier NAT, reserved,
 * nor an IPv6 form that wraps such an IPv4 address.
 */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

/** The address in a URL's host when it is one written out, without IPv6 brackets; null for a name. */
export function literalAddress(url: URL): string | null {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return ipaddr.isValid(host) ? host : null;
}
