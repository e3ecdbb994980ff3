/**
 * Which platform a graphics device is, by its PCI id. Only what a recorded error state can come from: all parts of a
 * platform, not just the one that a vGPU shows. Source: public i915_pciids.h (first and last id of each block).
 */
import { type Platform, platformByName } from '../../hw/index.js';

const BLOCKS: readonly (readonly [first: number, last: number, platform: string])[] = [
  [0x0402, 0x042e, 'HSW'],
  [0x0a02, 0x0a2e, 'HSW'],
  [0x0c02, 0x0c2e, 'HSW'],
  [0x0d02, 0x0d2e, 'HSW'],
  [0x1602, 0x163e, 'BDW'],
  [0x1902, 0x193d, 'SKL'],
  [0x0a84, 0x0a84, 'BXT'],
  [0x1a84, 0x1a85, 'BXT'],
  [0x5a84, 0x5a85, 'BXT'],
  [0x5902, 0x593b, 'KBL'],
  [0x87c0, 0x87c0, 'KBL'],
  [0x3e90, 0x3ea9, 'CFL'],
  [0x87ca, 0x87ca, 'CFL'],
  [0x9b21, 0x9b41, 'CML'],
  [0x9ba2, 0x9bf6, 'CML'],
];

export function platformByPciId(id: number): Platform | undefined {
  const block = BLOCKS.find(([first, last]) => id >= first && id <= last);
  return block === undefined ? undefined : platformByName(block[2]);
}
