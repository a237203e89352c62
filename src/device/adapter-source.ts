/** An adapter as its platform hands it out. */
export interface AdapterSource {
  readonly adapter: GPUAdapter;
  readonly adapterName: string;
  readonly notice?: string | undefined;
  /** Whether its platform waits by asking again and again, as Dawn's binding for Node does. */
  readonly isPolled?: boolean | undefined;
}
