/** The parts of the Xen test. */
export { plainGuest } from './plain.js';
export type { Scene, VgpuSizes } from './scene.js';
export { served } from './served.js';
