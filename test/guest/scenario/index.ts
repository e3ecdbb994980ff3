/** The parts of the end-to-end test, in the order in which they run. */
export { accounts } from './accounts.js';
export { displays } from './display.js';
export type { Scene, Seat } from './scene.js';
export { worksAndOutlives } from './work.js';
