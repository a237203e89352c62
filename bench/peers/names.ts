/** What reports call this engine among its peers. */
export const OURS = 'tessera';
