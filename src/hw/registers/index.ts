/**
 * The register map: what each offset of the 2 MiB register window is called, how a guest may write it, and which named
 * behaviour it has. Rows are data; src/mmio compiles them for one platform.
 *
 * Files follow the blocks of the hardware: engine, render, gt, power, cache (L3, MOCS, GuC), interrupts, display, pipes,
 * planes, transcoders, ports, pch, broxton. `platforms` says where a row applies; where platforms differ at an offset
 * there is a row for each. See expand.ts for how registers are named.
 */
import { BROXTON_ROWS } from './broxton.js';
import { CACHE_ROWS } from './cache.js';
import { DISPLAY_ROWS } from './display.js';
import { ENGINE_ROWS } from './engine.js';
import { GT_ROWS } from './gt.js';
import { INTERRUPT_ROWS } from './interrupts.js';
import { RegisterNames } from './names.js';
import { PCH_ROWS } from './pch.js';
import { PIPE_ROWS } from './pipes.js';
import { PLANE_ROWS } from './planes.js';
import { PORT_ROWS } from './ports.js';
import { POWER_ROWS } from './power.js';
import { RENDER_ROWS } from './render.js';
import { TRANSCODER_ROWS } from './transcoders.js';
import type { RegisterRow } from './types.js';

export * from './behaviours.js';
export { FORCE_NONPRIV_ALLOWED } from './force-nonpriv.js';
export * from './names.js';
export * from './types.js';

/** Bytes of the register window at the start of BAR 0. */
export const MMIO_BYTES = 0x200000;
/** A reset of the graphics engines restores the registers below this offset; above are display and PCI-side blocks. */
export const GT_RESET_END = 0x44200;
/** On Haswell the display's and the GT's interrupt registers are there, which such a reset leaves alone. */
export const GT_RESET_END_GEN7 = 0x44000;

export const REGISTER_ROWS: readonly RegisterRow[] = [
  ...ENGINE_ROWS,
  ...RENDER_ROWS,
  ...GT_ROWS,
  ...POWER_ROWS,
  ...CACHE_ROWS,
  ...INTERRUPT_ROWS,
  ...DISPLAY_ROWS,
  ...PIPE_ROWS,
  ...PLANE_ROWS,
  ...TRANSCODER_ROWS,
  ...PORT_ROWS,
  ...PCH_ROWS,
  ...BROXTON_ROWS,
];

const BY_PLATFORM = new Map<number, RegisterNames>();

/** Name of the register at `offset`; numeric where the map has no row. */
export function registerName(platform: { readonly bit: number }, offset: number): string {
  let names = BY_PLATFORM.get(platform.bit);
  if (names === undefined) {
    names = new RegisterNames(REGISTER_ROWS, platform.bit);
    BY_PLATFORM.set(platform.bit, names);
  }
  return names.name(offset);
}
