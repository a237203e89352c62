/** Its name for `load`: relative to the peers' folder, where Node finds it bundled. */
export const TFJS_BUNDLE = './tfjs.bundle.js';
