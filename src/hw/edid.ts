/**
 * EDID base blocks of the monitors that a vGPU shows, built by an encoder from a description.
 * Source: VESA E-EDID Standard release A2 (EDID 1.4); timings from VESA DMT (1024x768) and CVT reduced blanking (1920x1200).
 */

/** A video timing, in pixels and lines. */
export interface Timing {
  readonly pixelKhz: number;
  readonly width: number;
  readonly hSyncStart: number;
  readonly hSyncEnd: number;
  readonly hTotal: number;
  readonly height: number;
  readonly vSyncStart: number;
  readonly vSyncEnd: number;
  readonly vTotal: number;
  /** Polarity of the sync pulses: true is positive. */
  readonly hPositive: boolean;
  readonly vPositive: boolean;
}

export interface MonitorDescription {
  /** Shown to the guest's user; 13 characters at most. */
  readonly name: string;
  readonly productCode: number;
  /** Visible area in millimetres. */
  readonly widthMm: number;
  readonly heightMm: number;
  readonly preferred: Timing;
  /** Bits of the established-timings bytes 35 and 36. */
  readonly established: readonly [number, number];
  /** Limits of the scan: vertical Hz, horizontal kHz, highest pixel clock in MHz (a multiple of 10). Left out: not told. */
  readonly limits?: readonly [vMin: number, vMax: number, hMin: number, hMax: number, clockMhz: number];
  /** What it is plugged in with; default: DP. */
  readonly plug?: Plug;
  /** Blocks that follow the base block. */
  readonly extensions?: readonly Uint8Array[];
}

/** Kinds of digital connectors that a vGPU's port can have. */
export const PLUGS = ['DP', 'HDMI'] as const;
export type Plug = (typeof PLUGS)[number];

export const EDID_BYTES = 128;

export const TIMING_1024X768: Timing = {
  pixelKhz: 65_000,
  width: 1024,
  hSyncStart: 1048,
  hSyncEnd: 1184,
  hTotal: 1344,
  height: 768,
  vSyncStart: 771,
  vSyncEnd: 777,
  vTotal: 806,
  hPositive: false,
  vPositive: false,
};

export const TIMING_1920X1200: Timing = {
  pixelKhz: 154_000,
  width: 1920,
  hSyncStart: 1968,
  hSyncEnd: 2000,
  hTotal: 2080,
  height: 1200,
  vSyncStart: 1203,
  vSyncEnd: 1209,
  vTotal: 1235,
  hPositive: true,
  vPositive: false,
};

/** Established timings: 640x480, 800x600 and 1024x768, each at 60 Hz. */
const ESTABLISHED_60HZ = [0x21, 0x08] as const;

/** Manufacturer id: three letters, five bits each, big-endian. */
function manufacturerId(letters: string): number {
  return [...letters].reduce((id, letter) => (id << 5) | (letter.charCodeAt(0) - 64), 0);
}

/** Chromaticity coordinates of sRGB with white point D65, ten bits each. Source: IEC 61966-2-1. */
const SRGB = [0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329].map((xy) => Math.round(xy * 1024));

function encodeColours(edid: Uint8Array): void {
  const low = SRGB.map((value) => value & 3);
  edid[25] = (low[0]! << 6) | (low[1]! << 4) | (low[2]! << 2) | low[3]!;
  edid[26] = (low[4]! << 6) | (low[5]! << 4) | (low[6]! << 2) | low[7]!;
  SRGB.forEach((value, i) => {
    edid[27 + i] = value >> 2;
  });
}

function encodeTiming(edid: Uint8Array, at: number, timing: Timing, widthMm: number, heightMm: number): void {
  const clock = timing.pixelKhz / 10;
  const hBlank = timing.hTotal - timing.width;
  const vBlank = timing.vTotal - timing.height;
  const hOffset = timing.hSyncStart - timing.width;
  const hPulse = timing.hSyncEnd - timing.hSyncStart;
  const vOffset = timing.vSyncStart - timing.height;
  const vPulse = timing.vSyncEnd - timing.vSyncStart;
  const bytes = [
    clock & 0xff,
    clock >> 8,
    timing.width & 0xff,
    hBlank & 0xff,
    ((timing.width >> 8) << 4) | (hBlank >> 8),
    timing.height & 0xff,
    vBlank & 0xff,
    ((timing.height >> 8) << 4) | (vBlank >> 8),
    hOffset & 0xff,
    hPulse & 0xff,
    ((vOffset & 0xf) << 4) | (vPulse & 0xf),
    ((hOffset >> 8) << 6) | ((hPulse >> 8) << 4) | ((vOffset >> 4) << 2) | (vPulse >> 4),
    widthMm & 0xff,
    heightMm & 0xff,
    ((widthMm >> 8) << 4) | (heightMm >> 8),
    0,
    0,
    // digital separate sync
    0x18 | (timing.vPositive ? 4 : 0) | (timing.hPositive ? 2 : 0),
  ];
  edid.set(bytes, at);
}

/** A display descriptor: `tag` and up to 13 bytes; text ends with a line feed and is padded with spaces. */
function encodeDescriptor(edid: Uint8Array, at: number, tag: number, content: string | readonly number[]): void {
  edid.set([0, 0, 0, tag, 0], at);
  if (typeof content !== 'string') {
    edid.set(content, at + 5);
    return;
  }
  const text = content.length < 13 ? `${content}\n`.padEnd(13, ' ') : content.slice(0, 13);
  edid.set(Buffer.from(text, 'latin1'), at + 5);
}

/** Low bits of the video input definition: HDMI-a, DisplayPort. */
const INTERFACE: Readonly<Record<Plug, number>> = { HDMI: 2, DP: 5 };
const EXTENSIONS_AT = 126;

const TAG_DUMMY = 0x10;
const TAG_NAME = 0xfc;
const TAG_LIMITS = 0xfd;

export function encodeEdid(monitor: MonitorDescription): Uint8Array {
  const edid = new Uint8Array(EDID_BYTES);
  const id = manufacturerId('XGT');
  edid.set([0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]);
  edid.set([id >> 8, id & 0xff, monitor.productCode & 0xff, monitor.productCode >> 8], 8);
  // no serial number; week 1 of 2024; EDID 1.4
  edid.set([0, 0, 0, 0, 1, 2024 - 1990, 1, 4], 12);
  // digital, 8 bits per colour, and the interface
  edid[20] = 0xa0 | INTERFACE[monitor.plug ?? 'DP'];
  edid[21] = Math.round(monitor.widthMm / 10);
  edid[22] = Math.round(monitor.heightMm / 10);
  // gamma 2.2
  edid[23] = 120;
  // RGB 4:4:4; sRGB is the default; the preferred timing is the native one
  edid[24] = 0x06;
  encodeColours(edid);
  edid.set([monitor.established[0], monitor.established[1], 0], 35);
  // unused standard timings
  edid.fill(0x01, 38, 54);
  encodeTiming(edid, 54, monitor.preferred, monitor.widthMm, monitor.heightMm);
  if (monitor.limits === undefined) {
    encodeDescriptor(edid, 72, TAG_DUMMY, []);
  } else {
    const [vMin, vMax, hMin, hMax, clockMhz] = monitor.limits;
    // range limits only, no secondary formula
    const padding = [0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20];
    encodeDescriptor(edid, 72, TAG_LIMITS, [vMin, vMax, hMin, hMax, clockMhz / 10, 1, ...padding]);
  }
  encodeDescriptor(edid, 90, TAG_NAME, monitor.name);
  encodeDescriptor(edid, 108, TAG_DUMMY, []);
  const { extensions = [] } = monitor;
  edid[EXTENSIONS_AT] = extensions.length;
  const blocks = [edid, ...extensions];
  blocks.forEach(sealBlock);
  return Uint8Array.from(blocks.flatMap((block) => [...block]));
}

/** Makes the bytes of a block add up to zero. */
export function sealBlock(block: Uint8Array): void {
  const sum = block.subarray(0, EDID_BYTES - 1).reduce((all, byte) => all + byte, 0);
  block[EDID_BYTES - 1] = -sum & 0xff;
}

/** The monitors that a vGPU type may show, by resolution. */
export const EDIDS: Readonly<Record<'1024x768' | '1920x1200', Uint8Array>> = {
  '1024x768': encodeEdid({
    name: 'xengt 1024',
    productCode: 0x0768,
    widthMm: 304,
    heightMm: 228,
    preferred: TIMING_1024X768,
    established: ESTABLISHED_60HZ,
    limits: [50, 75, 30, 60, 80],
  }),
  '1920x1200': encodeEdid({
    name: 'xengt 1920',
    productCode: 0x1200,
    widthMm: 518,
    heightMm: 324,
    preferred: TIMING_1920X1200,
    established: ESTABLISHED_60HZ,
    limits: [50, 75, 30, 90, 170],
  }),
};

const HEADER: readonly number[] = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
/** More than monitors have; a driver reads them all at each look. */
const MOST_BLOCKS = 8;

/** What keeps `edid` from being one, in words; null when nothing does. */
export function edidFault(edid: Uint8Array): string | null {
  const blocks = edid.length / EDID_BYTES;
  if (blocks === 0 || !Number.isInteger(blocks))
    return `it has ${edid.length} bytes; an EDID has blocks of ${EDID_BYTES}`;
  if (blocks > MOST_BLOCKS) return `it has ${blocks} blocks; ${MOST_BLOCKS} are allowed`;
  const extensions = edid[EXTENSIONS_AT]!;
  for (let block = 0; block < blocks; block++) {
    const fault = blockFault(edid.subarray(block * EDID_BYTES, (block + 1) * EDID_BYTES), block);
    if (fault !== null) return fault;
  }
  return extensions === blocks - 1
    ? null
    : `byte 126 announces ${extensions} extension blocks; ${blocks - 1} are there`;
}

/** The same of one block of 128 bytes; block 0 is the one with the header. */
export function blockFault(bytes: Uint8Array, block: number): string | null {
  if (block === 0 && HEADER.some((byte, i) => bytes[i] !== byte)) {
    return 'it does not start with the header 00 ff ff ff ff ff ff 00';
  }
  const sum = bytes.reduce((all, byte) => all + byte, 0) & 0xff;
  const last = bytes[EDID_BYTES - 1]!;
  if (sum === 0) return null;
  return `the checksum of block ${block} is wrong: its last byte is 0x${hex(last)}, right would be 0x${hex((last - sum) & 0xff)}`;
}

const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
