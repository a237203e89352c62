import type { Device } from '../../device/gpu-device.ts';

/** Where a report was measured, as far as a page can know. */
export interface Environment {
  readonly adapter: string;
  readonly driver: string;
  readonly browser: string;
  readonly version: string;
}

export const readEnvironment = ({ caps, driver }: Device, version: string): Environment => ({
  adapter: caps.adapterName,
  driver,
  browser: navigator.userAgent,
  version,
});
