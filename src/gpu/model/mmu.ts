/**
 * An engine's view of memory: graphics addresses through the global GTT or the running context's page tables, cached in a
 * TLB, every access checked against who owns the frame. An access that the context has no right to is recorded and not made.
 */
import { PAGE_SIZE } from '../../base/index.js';
import {
  frameOf,
  frameOf2M,
  frameOf64K,
  GEN7_DIRECTORY_ENTRIES,
  GEN7_PTE_VALID,
  GEN7_TABLE_ENTRIES,
  gen7FrameOf,
  gen7FrameOfPde,
  PDE_IPS,
  PDE_PS,
  PTE_PRESENT,
  PTE_RW,
} from '../../hw/index.js';
import { OWNER_MEDIATOR } from '../port.js';
import type { Device } from './device.js';
import { NO_OWNER } from './memory.js';

const TLB_ENTRIES = 512;
const TLB_MASK = TLB_ENTRIES - 1;

/** Direct-mapped translations of one address space. An entry counts while its stamp is the current one. */
class Tlb {
  readonly page = new Float64Array(TLB_ENTRIES).fill(-1);
  readonly mfn = new Float64Array(TLB_ENTRIES);
  readonly writable = new Uint8Array(TLB_ENTRIES);
  readonly stamp = new Float64Array(TLB_ENTRIES);
  current = 1;
}

/** Graphics addresses of a PPGTT are 48 bits wide; bits above are sign extension. */
export const GMADR_SPAN = 2 ** 48;

/** Registers of the first page fault that was not yet acknowledged. Source: PRM SKL Vol 2c "RING_FAULT_REG". */
const RING_FAULT = 0x4094;
const FAULT_DATA0 = 0x4b10;
const FAULT_DATA1 = 0x4b14;

export class Mmu {
  /** Owner of the running context. */
  owner = NO_OWNER;
  readonly #device: Device;
  readonly #engineName: string;
  readonly #engineIndex: number;
  readonly #global = new Tlb();
  readonly #process = new Tlb();
  #fourLevel = false;
  #twoLevel = false;
  #directory = -1;
  /** Frames of the roots: PML4, or four page directories. */
  readonly #roots = new Float64Array(4);
  #entryLo = 0;
  #entryHi = 0;

  constructor(device: Device, engineName: string, engineIndex: number) {
    this.#device = device;
    this.#engineName = engineName;
    this.#engineIndex = engineIndex;
  }

  flush(): void {
    this.#global.current++;
    this.#process.current++;
  }

  setRoots(fourLevel: boolean, roots: ArrayLike<number>): void {
    this.#fourLevel = fourLevel;
    for (let i = 0; i < 4; i++) this.#roots[i] = roots[i]!;
    this.flush();
  }

  /** Haswell: the page directory is entries of the global GTT from `entry` on; -1: there is no address space but the global one. */
  setDirectory(entry: number): void {
    this.#directory = entry;
    this.#twoLevel = true;
    this.flush();
  }

  /**
   * Finds the dword at graphics address `gma`, for reading or writing.
   * @returns its index within memory.words, or -1 when the access may not or cannot be made
   */
  locate(gma: number, global: boolean, write: boolean): number {
    const mfn = this.translate(gma, global, write);
    if (mfn < 0) return -1;
    return this.#device.memory.locate(mfn) + ((gma >>> 2) & 0x3ff);
  }

  read32(gma: number, global: boolean): number {
    const at = this.locate(gma, global, false);
    return at < 0 ? 0 : this.#device.memory.words[at]!;
  }

  write32(gma: number, global: boolean, value: number): void {
    const at = this.locate(gma, global, true);
    if (at >= 0) this.#device.memory.words[at] = value;
  }

  /** Machine frame behind `gma`, or -1. The frame exists and the running context may make this access. */
  translate(gma: number, global: boolean, write: boolean): number {
    if (this.#twoLevel && this.#directory < 0) global = true;
    const tlb = global ? this.#global : this.#process;
    const page = Math.floor(gma / PAGE_SIZE);
    // Drivers like round addresses: without the upper bits they would all share a slot.
    const slot = (page ^ (page >>> 9)) & TLB_MASK;
    if (tlb.page[slot] === page && tlb.stamp[slot] === tlb.current && (!write || tlb.writable[slot] === 1))
      return tlb.mfn[slot]!;
    return this.#miss(tlb, slot, page, global, write);
  }

  #miss(tlb: Tlb, slot: number, page: number, global: boolean, write: boolean): number {
    const gma = page * PAGE_SIZE;
    let mfn: number;
    let writable = true;
    if (global) {
      mfn = this.#device.ggtt.frame(page);
      if (mfn < 0) return this.#fault(gma, global);
    } else {
      mfn = this.#twoLevel ? this.#walkTwoLevels(page, gma) : this.#walk(page, gma);
      if (mfn < 0) return -1;
      writable = this.#twoLevel || (this.#entryLo & PTE_RW) !== 0;
    }
    if (!this.#permit(mfn, gma, write)) return -1;
    if (write && !writable) return this.#fault(gma, global);
    tlb.page[slot] = page;
    tlb.mfn[slot] = mfn;
    tlb.writable[slot] = writable ? 1 : 0;
    tlb.stamp[slot] = tlb.current;
    return mfn;
  }

  /** @returns frame that holds `page` of the running context's address space; the leaf entry is left in #entryLo and #entryHi */
  #walk(page: number, gma: number): number {
    let directory: number;
    if (this.#fourLevel) {
      if (page < 0 || page >= 2 ** 36) return this.#fault(gma, false);
      if (!this.#entry(this.#roots[0]!, Math.floor(page / 2 ** 27), gma)) return -1;
      if (!this.#entry(frameOf(this.#entryLo, this.#entryHi), Math.floor(page / 2 ** 18) & 511, gma)) return -1;
      directory = frameOf(this.#entryLo, this.#entryHi);
    } else {
      if (page < 0 || page >= 2 ** 20) return this.#fault(gma, false);
      directory = this.#roots[page >>> 18]!;
      if (directory === 0) return this.#fault(gma, false);
    }
    if (!this.#entry(directory, Math.floor(page / 512) & 511, gma)) return -1;
    const within = page & 511;
    if ((this.#entryLo & PDE_PS) !== 0) return frameOf2M(this.#entryLo, this.#entryHi) + within;
    const large = (this.#entryLo & PDE_IPS) !== 0;
    // In a table of 64 KiB entries hardware reads each sixteenth.
    if (!this.#entry(frameOf(this.#entryLo, this.#entryHi), large ? within & ~15 : within, gma)) return -1;
    return large ? frameOf64K(this.#entryLo, this.#entryHi) + (within & 15) : frameOf(this.#entryLo, this.#entryHi);
  }

  /** Haswell: directory entries are in the global GTT, page-table entries are 32 bits. All that is mapped can be written. */
  #walkTwoLevels(page: number, gma: number): number {
    if (page < 0 || page >= GEN7_DIRECTORY_ENTRIES * GEN7_TABLE_ENTRIES) return this.#fault(gma, false);
    const pde = this.#device.ggtt.lo(this.#directory + Math.floor(page / GEN7_TABLE_ENTRIES));
    if ((pde & GEN7_PTE_VALID) === 0) return this.#fault(gma, false);
    const table = gen7FrameOfPde(pde);
    if (!this.#permit(table, gma, false)) return -1;
    const { memory } = this.#device;
    const pte = memory.words[memory.locate(table) + (page & (GEN7_TABLE_ENTRIES - 1))]!;
    return (pte & GEN7_PTE_VALID) === 0 ? this.#fault(gma, false) : gen7FrameOf(pte);
  }

  /** Reads entry `index` of the table in frame `table`. @returns whether it is present */
  #entry(table: number, index: number, gma: number): boolean {
    if (!this.#permit(table, gma, false)) return false;
    const memory = this.#device.memory;
    const at = memory.locate(table) + index * 2;
    this.#entryLo = memory.words[at]!;
    this.#entryHi = memory.words[at + 1]!;
    if ((this.#entryLo & PTE_PRESENT) !== 0) return true;
    this.#fault(gma, false);
    return false;
  }

  /** Whether the running context may touch frame `mfn`: its own, or scratch of the mediator. */
  #permit(mfn: number, gma: number, write: boolean): boolean {
    const { memory, oracle } = this.#device;
    const owner = memory.ownerOf(mfn);
    const exists = owner !== NO_OWNER && memory.locate(mfn) >= 0;
    if (exists && (owner === this.owner || (owner === OWNER_MEDIATOR && memory.isScratch(mfn)))) return true;
    oracle.record({
      at: this.#device.time,
      engine: this.#engineName,
      owner: this.owner,
      mfn,
      mfnOwner: exists ? owner : NO_OWNER,
      gmadr: gma,
      write,
    });
    return false;
  }

  #fault(gma: number, global: boolean): number {
    const { registers, counters } = this.#device;
    counters.faults++;
    if ((registers.get(RING_FAULT) & 1) === 0) {
      registers.set(RING_FAULT, (this.#engineIndex << 12) | 1);
      registers.set(FAULT_DATA0, Math.floor(gma / PAGE_SIZE));
      registers.set(FAULT_DATA1, (global ? 0x10 : 0) | (Math.floor(gma / 2 ** 44) & 0xf));
    }
    return -1;
  }
}
