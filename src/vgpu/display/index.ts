/**
 * display: the virtual display of a vGPU. Three outputs for DP and HDMI monitors, three pipes with their clocks, planes,
 * hotplug, and the picture that the guest shows. The vGPU owns one `Display`, routes the registers whose rows name a
 * behaviour of `displayHandlers` to it, and calls `advance` at `nextDue`.
 */
export { Display, type DisplayMode, type DisplayOptions, type DisplayState, type OutputSetup } from './display.js';
export {
  type DisplayHandler,
  type DisplayHandlerName,
  type DisplayRead,
  type DisplayWrite,
  displayHandlers,
} from './handlers.js';
export type { OutputChange, OutputInfo } from './output.js';
export type { DisplayHost } from './port.js';
export type { Picture } from './scanout.js';
