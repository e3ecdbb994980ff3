/**
 * Page-table entries of Gen8 and Gen9: 64 bits, handled as two dwords (`lo`, `hi`), for the GGTT and for PPGTTs of 3 and 4
 * levels. A frame number is a Number below 2^34 (address bits 45:12).
 * Source: Intel PRM BDW/SKL Vol 5 "Memory Views", per-process and global GTT entry formats; public i915 gt/intel_gtt.h.
 */

/** Bit 0, every entry. */
export const PTE_PRESENT = 1 << 0;
export const PTE_RW = 1 << 1;
/** PAT index of a 4K or 64K entry: bits 7, 4, 3. */
export const PTE_PWT = 1 << 3;
export const PTE_PCD = 1 << 4;
export const PTE_PAT = 1 << 7;
/** PDE: maps 2 MiB; PDPE: maps 1 GiB. The bit that means PAT in a PTE. */
export const PDE_PS = 1 << 7;
/** PAT bit of an entry with PS set. */
export const PDE_PAT_LARGE = 1 << 12;
/** PDE: the table below holds 64 KiB entries, of which hardware reads each 16th. Gen9. */
export const PDE_IPS = 1 << 11;

/** Address bits 45:32 in the high dword. */
export const PTE_ADDRESS_HI = 0x3fff;
/** Bits of a PTE that a shadow keeps: present, RW, US, PWT, PCD, A, D, PAT, G. */
export const PTE_ATTRIBUTES = 0x1ff;
/** Bits of an entry that points to a table which a shadow keeps: present, RW, US, PWT, PCD, A. */
export const TABLE_ATTRIBUTES = 0x03f;

export const TABLE_ENTRIES = 512;
/** Frames that one entry of each size maps. */
export const FRAMES_PER_64K = 16;
export const FRAMES_PER_2M = 512;

/** What a table is, by the level of the walk it serves: its entries map pages (1) or tables of the level below. */
export const LEVEL = { PT: 1, PD: 2, PDP: 3, PML4: 4 } as const;

export interface TableFormat {
  readonly level: number;
  /** Name of the table and of one entry in it. */
  readonly table: string;
  readonly entry: string;
  /** An entry covers 2^shift bytes of GMADR. */
  readonly shift: number;
}

/** By level; index 0 is no table. */
export const TABLE_FORMATS: readonly TableFormat[] = [
  { level: 0, table: 'page', entry: 'dword', shift: 0 },
  { level: LEVEL.PT, table: 'page table', entry: 'PTE', shift: 12 },
  { level: LEVEL.PD, table: 'page directory', entry: 'PDE', shift: 21 },
  { level: LEVEL.PDP, table: 'page directory pointer table', entry: 'PDPE', shift: 30 },
  { level: LEVEL.PML4, table: 'PML4', entry: 'PML4E', shift: 39 },
];

/** Root pointers of a 3-level PPGTT, each to a page directory (PDP0..PDP3 of the context). */
export const L3_ROOTS = 4;

/** Where the GGTT's entries are in BAR0, bytes from its start; 8 bytes each. */
export const GGTT_BAR0_OFFSET = 0x80_0000;

/** Frame number that an entry holds. */
export function frameOf(lo: number, hi: number): number {
  return (hi & PTE_ADDRESS_HI) * 0x10_0000 + (lo >>> 12);
}

/** Address bits 31:12 of a frame, in place for the low dword. */
export function frameLo(frame: number): number {
  return (frame << 12) >>> 0;
}

/** Address bits 45:32 of a frame, in place for the high dword. */
export function frameHi(frame: number): number {
  return Math.floor(frame / 0x10_0000) & PTE_ADDRESS_HI;
}

/** First frame that an entry with PS maps in a page directory: address bits 45:21. */
export function frameOf2M(lo: number, hi: number): number {
  return frameOf(lo & 0xffe0_0000, hi);
}

/** First frame that a 64 KiB entry maps: address bits 45:16. */
export function frameOf64K(lo: number, hi: number): number {
  return frameOf(lo & 0xffff_0000, hi);
}

/** Attributes for the 4 KiB entries that together stand for one 2 MiB entry: PAT moves from bit 12 to bit 7. */
export function attributesOfSplit2M(lo: number): number {
  return (lo & PTE_ATTRIBUTES & ~PDE_PS) | ((lo & PDE_PAT_LARGE) >>> 5);
}
