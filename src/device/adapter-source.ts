import type { CreatePause } from './pause.ts';

/** An adapter as its platform hands it out. */
export interface AdapterSource {
  readonly adapter: GPUAdapter;
  readonly adapterName: string;
  readonly notice?: string | undefined;
  /** Where its platform waits by asking again and again, as Dawn's binding for Node does. */
  readonly createPause?: CreatePause | undefined;
}
