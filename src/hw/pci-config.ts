/**
 * PCI configuration space of the graphics function, as a vGPU shows it: what reads as what, and which bits a guest may
 * change. Source: PCI Local Bus 3.0 (header, MSI), PCI Power Management 1.2; Intel PRM SKL Vol 2c and the public datasheets of
 * the 6th generation Core, volume 2 (GMCH control, BDSM, SWSCI, ASLS); public i915 gvt/cfg_space.c (writable bits).
 */

export interface PciConfigRow {
  readonly name: string;
  readonly offset: number;
  readonly bytes: 1 | 2 | 3 | 4;
  readonly reset?: number;
  /** Bits that a guest may change; default none. */
  readonly writable?: number;
  /** Bits that a guest clears by writing 1. */
  readonly w1c?: number;
}

/** Offsets that have behaviour. */
export const PCI = {
  DEVICE: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION: 0x08,
  BAR0: 0x10,
  BAR2: 0x18,
  GMCH_CTL: 0x50,
  MSI_CONTROL: 0xae,
  MSI_ADDRESS: 0xb0,
  MSI_DATA: 0xb4,
  PMCSR: 0xd4,
  SWSCI: 0xe8,
  ASLS: 0xfc,
} as const;
export const PCI_CONFIG_BYTES = 256;

export const COMMAND_MEMORY = 1 << 1;
export const COMMAND_MASTER = 1 << 2;
export const COMMAND_INTX_DISABLE = 1 << 10;
export const STATUS_INTERRUPT = 1 << 3;
export const MSI_ENABLE = 1 << 0;
export const PMCSR_STATE = 3;
export const POWER_D3HOT = 3;
/** SWSCI: the call goes to software that serves SCIs, and the bit whose rise makes it. */
export const SWSCI_SELECT = 1 << 15;
export const SWSCI_TRIGGER = 1 << 0;

/** Everything that does not read as zero or can be written. The BARs have rows of their own below. */
export const PCI_CONFIG_ROWS: readonly PciConfigRow[] = [
  { name: 'VENDOR', offset: 0x00, bytes: 2, reset: 0x8086 },
  { name: 'DEVICE', offset: PCI.DEVICE, bytes: 2 },
  { name: 'COMMAND', offset: PCI.COMMAND, bytes: 2, writable: 0x07ff },
  // A capability list; error bits cleared by writing 1.
  { name: 'STATUS', offset: PCI.STATUS, bytes: 2, reset: 0x0010, w1c: 0xf900 },
  { name: 'REVISION', offset: PCI.REVISION, bytes: 1 },
  // VGA-compatible display controller: i915 binds to any display class, firmware and X look for this one.
  { name: 'CLASS', offset: 0x09, bytes: 3, reset: 0x030000 },
  { name: 'CACHE_LINE', offset: 0x0c, bytes: 1, writable: 0xff },
  { name: 'SUBSYSTEM', offset: 0x2c, bytes: 4, reset: 0x20158086 },
  { name: 'CAPABILITIES', offset: 0x34, bytes: 1, reset: 0xac },
  { name: 'INTERRUPT_LINE', offset: 0x3c, bytes: 1, writable: 0xff },
  { name: 'INTERRUPT_PIN', offset: 0x3d, bytes: 1, reset: 0x01 },
  // From Gen8 on GGMS (bits 7:6) 3: 8 MiB of GGTT entries; GMS (15:8) 0: no stolen memory.
  { name: 'GMCH_CTL', offset: PCI.GMCH_CTL, bytes: 2, reset: 0x00c0 },
  { name: 'BDSM', offset: 0x5c, bytes: 4, reset: 0 },
  // MSI: one message, 32-bit address; next capability at 0xd0.
  { name: 'MSI_CAPABILITY', offset: 0xac, bytes: 2, reset: 0xd005 },
  { name: 'MSI_CONTROL', offset: PCI.MSI_CONTROL, bytes: 2, writable: MSI_ENABLE },
  { name: 'MSI_ADDRESS', offset: PCI.MSI_ADDRESS, bytes: 4, writable: 0xfffffffc },
  { name: 'MSI_DATA', offset: PCI.MSI_DATA, bytes: 2, writable: 0xffff },
  // Power management 1.1 with D3hot, no PME; end of the list.
  { name: 'PM_CAPABILITY', offset: 0xd0, bytes: 4, reset: 0x00220001 },
  { name: 'PMCSR', offset: PCI.PMCSR, bytes: 2, writable: PMCSR_STATE },
  { name: 'SWSCI', offset: PCI.SWSCI, bytes: 2, writable: 0xffff },
  { name: 'ASLS', offset: PCI.ASLS, bytes: 4, writable: 0xffffffff },
];

export interface PciBarRow {
  readonly bar: 0 | 2;
  readonly offset: number;
  /** Type bits, which read as they are: 64-bit 4, prefetchable 8. */
  readonly type: number;
}

/** Haswell's GMCH_CTL: GGMS (bits 9:8) 2, 2 MiB of entries; GMS (7:3) 0. Source: PRM HSW Vol 2c, public intel-gtt.h. */
export const GMCH_CTL_GEN7 = 0x0200;

/** BAR4 (legacy I/O) and the ROM are not there: they read zero whatever is written, which is a size of zero. */
export const PCI_BARS: readonly PciBarRow[] = [
  { bar: 0, offset: PCI.BAR0, type: 0x4 },
  { bar: 2, offset: PCI.BAR2, type: 0xc },
];
