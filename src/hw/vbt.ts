/**
 * The OpRegion and the Video BIOS Table inside it, by their fields: what firmware tells a driver about display outputs.
 * Source: Intel "ACPI IGD OpRegion Specification" (header, mailboxes, SWSCI); VBT field order and meaning from the public
 * MIT-licensed i915 display/intel_vbt_defs.h; values that a vGPU shows from public i915 gvt/opregion.c.
 */

/** A field and its width; a structure is its fields in order. Text fields are padded with what `pad` says, default zero. */
export interface StructField {
  readonly name: string;
  readonly bytes: number;
  readonly pad?: string;
}

export type StructValues = Readonly<Record<string, number | string>>;

export function structBytes(layout: readonly StructField[]): number {
  return layout.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Offset of a field from its structure's start. */
export function structOffset(layout: readonly StructField[], name: string): number {
  let at = 0;
  for (const field of layout) {
    if (field.name === name) return at;
    at += field.bytes;
  }
  throw new RangeError(`no field ${name}`);
}

/** Writes a structure, little-endian, at `at`; fields without a value are zero. @returns the offset behind it */
export function putStruct(into: Uint8Array, at: number, layout: readonly StructField[], values: StructValues): number {
  for (const { name, bytes, pad } of layout) {
    const value = values[name] ?? 0;
    for (let i = 0; i < bytes; i++) {
      if (typeof value === 'number') into[at + i] = i < 4 ? value >>> (8 * i) : 0;
      else into[at + i] = value.padEnd(bytes, pad ?? '\0').charCodeAt(i);
    }
    at += bytes;
  }
  return at;
}

// ---- OpRegion

export const OPREGION_BYTES = 8192;
/** Offsets from the OpRegion's start. */
export const OPREGION = { CLID: 0x1ac, SCIC: 0x200, PARM: 0x204, VBT: 0x400 } as const;
/** Bit of `mboxes` for mailbox 4, the VBT. */
export const MBOX_VBT = 1 << 3;
/** CLID: lid open, and it is known to be. */
export const LID_OPEN = 3;

export const OPREGION_HEADER: readonly StructField[] = [
  { name: 'signature', bytes: 16 },
  /** KiB. */
  { name: 'size', bytes: 4 },
  { name: 'version', bytes: 4 },
  { name: 'systemBios', bytes: 32 },
  { name: 'videoBios', bytes: 16 },
  { name: 'driver', bytes: 16 },
  { name: 'mboxes', bytes: 4 },
];
export const OPREGION_HEADER_VALUES: StructValues = {
  signature: 'IntelGraphicsMem',
  size: OPREGION_BYTES / 1024,
  version: 0x02000000,
  mboxes: MBOX_VBT,
};

/** SCIC, the word of a call through SWSCI: bit 0 the caller waits, 4:1 function, 7:5 how it ended, 15:8 subfunction. */
export const SCIC_WAITING = 1 << 0;
export const SCIC_EXIT = 7 << 5;
export function scicFunction(scic: number): number {
  return (scic >>> 1) & 0xf;
}
export function scicSubfunction(scic: number): number {
  return (scic >>> 8) & 0xff;
}
/** Calls that ask which calls there are: [function, subfunction]. */
export const SCIC_CAPABILITY_QUERIES: readonly (readonly [number, number])[] = [
  [4, 0],
  [4, 1],
  [6, 0],
];

// ---- VBT

export const VBT_HEADER: readonly StructField[] = [
  { name: 'signature', bytes: 20, pad: ' ' },
  { name: 'version', bytes: 2 },
  { name: 'headerBytes', bytes: 2 },
  { name: 'vbtBytes', bytes: 2 },
  /** Makes the sum of all bytes of the VBT zero. */
  { name: 'checksum', bytes: 1 },
  { name: 'reserved', bytes: 1 },
  { name: 'bdbOffset', bytes: 4 },
  { name: 'aimOffsets', bytes: 16 },
];
export const VBT_VERSION = 155;

export const BDB_HEADER: readonly StructField[] = [
  { name: 'signature', bytes: 16, pad: ' ' },
  { name: 'version', bytes: 2 },
  { name: 'headerBytes', bytes: 2 },
  { name: 'bdbBytes', bytes: 2 },
];
export const BDB_VERSION = 186;

export const BLOCK_HEADER: readonly StructField[] = [
  { name: 'id', bytes: 1 },
  { name: 'bytes', bytes: 2 },
];
export const BLOCK_ID = { GENERAL_FEATURES: 1, GENERAL_DEFINITIONS: 2, DRIVER_FEATURES: 12 } as const;

/** All zero: no panel fitting, no spread spectrum, no CRT and no TV. */
export const GENERAL_FEATURES: readonly StructField[] = [{ name: 'flags', bytes: 5 }];
/** All zero: no LVDS, no RC6 or PSR settings of the firmware's. */
export const DRIVER_FEATURES: readonly StructField[] = [{ name: 'settings', bytes: 19 }];

/** Before the child devices. */
export const GENERAL_DEFINITIONS: readonly StructField[] = [
  { name: 'crtDdcPin', bytes: 1 },
  { name: 'dpms', bytes: 1 },
  { name: 'bootDisplay', bytes: 2 },
  { name: 'childBytes', bytes: 1 },
];

/** One output. 33 bytes is what drivers expect of BDB versions 111 to 194. */
export const CHILD_DEVICE: readonly StructField[] = [
  { name: 'handle', bytes: 2 },
  { name: 'deviceType', bytes: 2 },
  { name: 'deviceId', bytes: 10 },
  { name: 'addinOffset', bytes: 2 },
  { name: 'dvoPort', bytes: 1 },
  { name: 'i2cPin', bytes: 1 },
  { name: 'i2cAddress', bytes: 1 },
  { name: 'ddcPin', bytes: 1 },
  { name: 'edidPointer', bytes: 2 },
  { name: 'dvoConfig', bytes: 1 },
  { name: 'flags', bytes: 1 },
  /** Bit 0 HDMI, 1 DP, 2 TMDS. */
  { name: 'support', bytes: 1 },
  { name: 'auxChannel', bytes: 1 },
  { name: 'dongleDetect', bytes: 1 },
  /** Bit 5: integrated encoder. */
  { name: 'capabilities', bytes: 1 },
  { name: 'dvoWiring', bytes: 1 },
  { name: 'dvo2Wiring', bytes: 1 },
  { name: 'extendedType', bytes: 2 },
  { name: 'dvoFunction', bytes: 1 },
];

const dpOutput = { deviceType: 0x68c6, support: 1 << 1, capabilities: 1 << 5 } as const;

/** External DP on DDI A to D; handles are those of EFP 1 to 4. Which one has the monitor is told by hotplug, not here. */
export const CHILD_DEVICES: readonly StructValues[] = [
  { ...dpOutput, handle: 0x04, dvoPort: 10, auxChannel: 0x40 },
  { ...dpOutput, handle: 0x40, dvoPort: 7, auxChannel: 0x10 },
  { ...dpOutput, handle: 0x20, dvoPort: 8, auxChannel: 0x20 },
  { ...dpOutput, handle: 0x10, dvoPort: 9, auxChannel: 0x30 },
];
