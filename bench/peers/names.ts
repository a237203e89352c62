/** What reports call this engine among its peers. */
export const OURS = 'tessera';
/** What gives the right result, in f64. */
export const REFERENCE = 'reference';
/** torch is no peer: it runs on the CPU whatever the adapter. It stands beside them. */
export const TORCH = 'torch on the CPU';
