/** What reports call this engine among its peers. */
export const OURS = 'tessera';
/** torch is no peer: it runs on the CPU whatever the adapter. It stands beside them. */
export const TORCH = 'torch on the CPU';
