/** An adapter as its platform hands it out. */
export interface AdapterSource {
  readonly adapter: GPUAdapter;
  readonly adapterName: string;
  readonly notice?: string | undefined;
}
