/** Many guests at once that load the render engine: shares, caps, waits, hangs, replayed guests beside real ones. */
export { LOAD_DEFAULTS, type LoadRequest, loadMain } from './main.js';
