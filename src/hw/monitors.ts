/**
 * Monitors that are made from a mode line: their EDID says that mode, and the usual small ones below it.
 * Source: VESA E-EDID A2; for HDMI, CTA-861-G section 7.5 (extension block) and HDMI 1.4b section 8.3.2 (vendor-specific block).
 */
import { type ModeLine, timingOfMode } from './cvt.js';
import type { HotplugRow } from './display.js';
import { EDID_BYTES, encodeEdid, type Plug } from './edid.js';

/** A port with a connector, as an operator speaks of it. */
export const OUTPUT_PORTS = ['B', 'C', 'D'] as const satisfies readonly HotplugRow['port'][];
export type OutputPort = (typeof OUTPUT_PORTS)[number];

/** What is plugged into a port, as a value that can be written down; what is left out is as it was, or as the type has it. */
export interface MonitorSetup {
  readonly port: OutputPort;
  readonly type?: Plug;
  readonly connected?: boolean;
  /** In hex. */
  readonly edid?: string;
}

export function edidToHex(edid: Uint8Array): string {
  return Buffer.from(edid.buffer, edid.byteOffset, edid.length).toString('hex');
}

/** @returns null for what is no even number of hex digits */
export function edidFromHex(text: string): Uint8Array | null {
  return /^([0-9a-f]{2})+$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : null;
}

/** What HDMI 1.4 carries; Gen8 and Gen9 have no more. Source: PRM SKL Vol 12 "HDMI". */
export const HDMI_CLOCK_MHZ = 300;
const TMDS_UNIT_MHZ = 5;

/** Bits of the established-timings bytes, for modes of 60 Hz. */
const ESTABLISHED: readonly (readonly [width: number, height: number, first: number, second: number])[] = [
  [640, 480, 0x20, 0],
  [800, 600, 0x01, 0],
  [1024, 768, 0, 0x08],
];
const MM_PER_PIXEL = 25.4 / 96;

/** True when a plug of that kind carries the mode. */
export function plugCarries(plug: Plug, mode: ModeLine): boolean {
  return plug !== 'HDMI' || timingOfMode(mode).pixelKhz <= HDMI_CLOCK_MHZ * 1000;
}

export function edidOfMode(mode: ModeLine, plug: Plug): Uint8Array {
  const { width, height } = mode;
  const small = ESTABLISHED.filter(([across, down]) => across <= width && down <= height);
  return encodeEdid({
    name: `xengt ${width}x${height}`.slice(0, 13),
    // Tells models apart, as drivers and desktops do by it.
    productCode: ((width / 8) << 7) ^ height,
    widthMm: Math.round(width * MM_PER_PIXEL),
    heightMm: Math.round(height * MM_PER_PIXEL),
    preferred: timingOfMode(mode),
    established: [small.reduce((bits, row) => bits | row[2], 0), small.reduce((bits, row) => bits | row[3], 0)],
    plug,
    extensions: plug === 'HDMI' ? [hdmiBlock()] : [],
  });
}

/** Says that it is an HDMI monitor, without which drivers take it for DVI and give it no more than 165 MHz. */
function hdmiBlock(): Uint8Array {
  const block = new Uint8Array(EDID_BYTES);
  const vendorSpecific = [0x03, 0x0c, 0x00, 0x10, 0x00, 0x00, HDMI_CLOCK_MHZ / TMDS_UNIT_MHZ];
  // CTA extension, revision 3; where detailed timings would start: behind the data blocks
  block.set([0x02, 0x03, 4 + 1 + vendorSpecific.length, 0]);
  block.set([(3 << 5) | vendorSpecific.length, ...vendorSpecific], 4);
  return block;
}

/** The mode of an EDID's first detailed timing, which is the preferred one, as a mode line; empty when it has none. */
export function preferredMode(edid: Uint8Array): string {
  const at = 54;
  const byte = (offset: number): number => edid[at + offset] ?? 0;
  const pixelKhz = 10 * (byte(0) | (byte(1) << 8));
  if (pixelKhz === 0) return '';
  const width = byte(2) | ((byte(4) >> 4) << 8);
  const hBlank = byte(3) | ((byte(4) & 0xf) << 8);
  const height = byte(5) | ((byte(7) >> 4) << 8);
  const vBlank = byte(6) | ((byte(7) & 0xf) << 8);
  const total = (width + hBlank) * (height + vBlank);
  return total === 0 ? '' : `${width}x${height}@${Math.round((pixelKhz * 1000) / total)}`;
}

/** Display descriptor that holds a name. */
const NAME_TAG = 0xfc;

/** The monitor's name as its EDID has it; empty when it has none. */
export function monitorName(edid: Uint8Array): string {
  for (let at = 54; at < 126; at += 18) {
    if (edid[at] !== 0 || edid[at + 1] !== 0 || edid[at + 3] !== NAME_TAG) continue;
    const text = String.fromCharCode(...edid.subarray(at + 5, at + 18));
    // What stands behind the line feed is padding; what can not be printed is nobody's business.
    return text
      .replace(/\n.*$/s, '')
      .replace(/[^\x20-\x7e]/g, '')
      .trim();
  }
  return '';
}
