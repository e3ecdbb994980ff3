/** vnc: the guests' screens for any viewer that speaks RFB, one display per vGPU and one for the foreground. */
export { VncDisplays, type VncOptions, type VncPlace } from './displays.js';
