/**
 * Entries of the global GTT by generation: 64 bits from Gen8 on, 32 bits on Haswell, whose page tables have the same entries.
 * Whoever writes or reads the table goes through the format of its platform; entries are passed on as two dwords, of which
 * the upper one is 0 on Haswell.
 *
 * A Haswell page-table entry: bit 0 valid, 3:1 and 11 cacheability, 10:4 address bits 38:32, 31:12 address bits 31:12.
 * A page-directory entry: bit 0 valid, 11:4 address bits 39:32, 31:12 address bits 31:12; directories are 512 entries of the
 * global GTT. Source: PRM HSW Vol 5 "Memory Views", GTT entry formats; public i915 gt/intel_gtt.h, gt/gen6_ppgtt.c.
 */
import { frameHi, frameLo, frameOf, PTE_ATTRIBUTES, PTE_PRESENT, PTE_RW } from './pte.js';

/** Frames that a Haswell entry can name: 39 bits of address. */
export const GEN7_FRAMES = 2 ** 27;
export const GEN7_PTE_VALID = 1;
/** Bits that a shadow keeps: valid and cacheability. */
export const GEN7_PTE_ATTRIBUTES = 0x80f;
export const GEN7_TABLE_ENTRIES = 1024;
export const GEN7_DIRECTORY_ENTRIES = 512;
/** A directory begins at an entry that is a multiple of this: 64 bytes of the table. */
export const GEN7_DIRECTORY_ALIGN = 16;

export function gen7FrameOf(entry: number): number {
  return ((entry >>> 4) & 0x7f) * 0x10_0000 + (entry >>> 12);
}

export function gen7Pte(frame: number, attributes: number): number {
  const high = Math.floor(frame / 0x10_0000) & 0x7f;
  return ((frame << 12) | (high << 4) | (attributes & GEN7_PTE_ATTRIBUTES)) >>> 0;
}

/** Frame of a page table that a directory entry names. */
export function gen7FrameOfPde(entry: number): number {
  return ((entry >>> 4) & 0xff) * 0x10_0000 + (entry >>> 12);
}

export function gen7Pde(frame: number): number {
  const high = Math.floor(frame / 0x10_0000) & 0xff;
  return ((frame << 12) | (high << 4) | GEN7_PTE_VALID) >>> 0;
}

/** First entry of the directory that PP_DIR_BASE names: bits 31:16 are its offset in the table in units of 64 bytes. */
export function directoryEntry(ppDirBase: number): number {
  return (ppDirBase >>> 16) * GEN7_DIRECTORY_ALIGN;
}

export function ppDirBase(entry: number): number {
  return ((entry / GEN7_DIRECTORY_ALIGN) << 16) >>> 0;
}

export interface GgttFormat {
  readonly entryBytes: 4 | 8;
  /** Bit 0 says in every generation whether the entry counts. */
  frameOf(lo: number, hi: number): number;
  /** Low dword for `frame` with those of the guest's attributes in `from` that it may choose. */
  lo(frame: number, from: number): number;
  hi(frame: number): number;
  /** Attributes of an entry of the mediator's own. */
  readonly plain: number;
}

const GEN8_FORMAT: GgttFormat = {
  entryBytes: 8,
  frameOf,
  lo: (frame, from) => (frameLo(frame) | (from & PTE_ATTRIBUTES)) >>> 0,
  hi: frameHi,
  plain: PTE_PRESENT | PTE_RW,
};

const GEN7_FORMAT: GgttFormat = {
  entryBytes: 4,
  frameOf: gen7FrameOf,
  lo: gen7Pte,
  hi: () => 0,
  plain: GEN7_PTE_VALID,
};

export function ggttFormat({ gen }: { readonly gen: number }): GgttFormat {
  return gen === 7 ? GEN7_FORMAT : GEN8_FORMAT;
}
