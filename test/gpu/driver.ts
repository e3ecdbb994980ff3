/**
 * A scripted driver for the device: what a kernel driver does to registers, page tables, context images and rings, small
 * enough to read. Everything goes through the Gpu port.
 */
import { type Frames, PAGE_DWORDS, PAGE_SIZE } from '../../src/base/index.js';
import { type DmaPages, ModelGpu, type ModelGpuOptions, OWNER_MEDIATOR } from '../../src/gpu/index.js';
import { CMD } from '../../src/hw/commands/index.js';
import {
  CTX,
  CTX_PDPS,
  DESC,
  ENGINE_EVENTS,
  ENGINES,
  type EngineId,
  INTERRUPT_GROUPS,
  MASTER_ENABLE,
  MASTER_IRQ,
  platformByName,
  RING,
  writeContextLayout,
} from '../../src/hw/index.js';

export const RUN_LIST_ENABLE = 0x8000_8000;
const RING_PAGES = 4;

/** RAM of a guest: frames 0 to `pages` - 1. */
export class TestMemory implements Frames {
  words: Uint32Array;
  readonly pages: number;
  constructor(pages: number) {
    this.pages = pages;
    this.words = new Uint32Array(pages * PAGE_DWORDS);
  }
  locate(frame: number): number {
    return frame >= 0 && frame < this.pages ? frame * PAGE_DWORDS : -1;
  }
}

export class Driver {
  readonly gpu: ModelGpu;
  interrupts = 0;
  now = 0;
  readonly hwsp: DmaPages[] = [];
  readonly #csbRead: number[] = [];
  #nextGgttPage = 16;

  constructor(platform = 'SKL', options: Partial<ModelGpuOptions> = {}) {
    this.gpu = new ModelGpu({ platform: platformByName(platform)!, poolPages: 8192, ...options });
    this.gpu.onInterrupt = () => this.interrupts++;
    for (const engine of this.gpu.platform.engines) this.startEngine(engine);
    for (const group of INTERRUPT_GROUPS) {
      this.gpu.write32(group.base + 4, 0);
      this.gpu.write32(group.base + 12, 0xffffffff);
    }
    this.gpu.write32(MASTER_IRQ, MASTER_ENABLE);
  }

  base(engine: EngineId): number {
    return ENGINES[engine]!.mmioBase;
  }

  /** Status page, execlist mode, engine interrupts: what is also due after an engine reset. */
  startEngine(engine: EngineId): void {
    const page = this.hwsp[engine] ?? this.gpu.allocate(1, OWNER_MEDIATOR);
    this.hwsp[engine] = page;
    this.#csbRead[engine] = 5;
    page.words[page.at + 0x1f] = 5;
    const base = this.base(engine);
    this.gpu.write32(base + RING.HWS_PGA, this.mapGgtt(page.mfn, 1));
    this.gpu.write32(base + RING.MODE, RUN_LIST_ENABLE);
    this.gpu.write32(base + RING.IMR, 0);
  }

  /** Maps consecutive frames into the global GTT. @returns graphics address */
  mapGgtt(mfn: number, pages: number): number {
    const first = this.#nextGgttPage;
    this.#nextGgttPage += pages;
    for (let i = 0; i < pages; i++) this.gpu.writeGgtt(first + i, entryLo(mfn + i, 1), entryHi(mfn + i));
    return first * PAGE_SIZE;
  }

  submit(engine: EngineId, first: Context, second?: Context): void {
    const port = this.base(engine) + RING.ELSP;
    this.gpu.write32(port, second?.id ?? 0);
    this.gpu.write32(port, second?.descriptor ?? 0);
    this.gpu.write32(port, first.id);
    this.gpu.write32(port, first.descriptor);
  }

  /** New status entries of an engine, [event, context id], as a driver reads them from the status page. */
  events(engine: EngineId): [event: number, id: number][] {
    const { words, at } = this.hwsp[engine]!;
    const found: [number, number][] = [];
    while (this.#csbRead[engine] !== words[at + 0x1f]) {
      const index = (this.#csbRead[engine]! + 1) % 6;
      this.#csbRead[engine] = index;
      found.push([words[at + 0x10 + index * 2]!, words[at + 0x11 + index * 2]!]);
    }
    return found;
  }

  /** Events latched for an engine, cleared by being read, shifted down to bit 0. */
  takeInterrupts(engine: EngineId): number {
    const { group, shift } = ENGINE_EVENTS[engine];
    const iir = INTERRUPT_GROUPS[group]!.base + 8;
    const value = this.gpu.read32(iir) & (0xffff << shift);
    this.gpu.write32(iir, value);
    return value >>> shift;
  }

  /** Lets `ns` pass, waking the device whenever it asks. */
  run(ns = 1_000_000): void {
    const end = this.now + ns;
    for (let due = this.gpu.nextDue(); due <= end; due = this.gpu.nextDue()) {
      this.now = Math.max(this.now, due);
      this.gpu.advance(this.now);
    }
    this.now = end;
    this.gpu.advance(end);
  }

  memoryOf(owner: number, pages: number): TestMemory {
    const memory = new TestMemory(pages);
    this.gpu.attachMemory(owner, memory);
    return memory;
  }
}

const RW_PRESENT = 3;
export const entryLo = (mfn: number, bits: number): number => (((mfn % 2 ** 20) * 4096) | bits) >>> 0;
export const entryHi = (mfn: number): number => Math.floor(mfn / 2 ** 20);

/** A 4-level address space in pool pages of `owner`. */
export class Ppgtt {
  readonly root: DmaPages;
  readonly #gpu: ModelGpu;
  readonly #owner: number;
  readonly #tables = new Map<string, DmaPages>();
  constructor(driver: Driver, owner: number) {
    this.#gpu = driver.gpu;
    this.#owner = owner;
    this.root = this.#gpu.allocate(1, owner);
  }

  map(gma: number, mfn: number, pages = 1, bits = RW_PRESENT): void {
    for (let i = 0; i < pages; i++) {
      const page = gma / PAGE_SIZE + i;
      this.#set(this.table(page, 1), page % 512, mfn + i, bits);
    }
  }

  /** Maps 2 MiB by one page-directory entry. */
  map2M(gma: number, mfn: number): void {
    const page = gma / PAGE_SIZE;
    this.#set(this.table(page, 2), Math.floor(page / 512) % 512, mfn, RW_PRESENT | 0x80);
  }

  /** Maps 64 KiB pages: the page directory entry says so, and each sixteenth entry of the table counts. */
  map64K(gma: number, mfn: number): void {
    const page = gma / PAGE_SIZE;
    const table = this.table(page, 1);
    this.#set(table, page % 512, mfn, RW_PRESENT);
    this.#set(this.table(page, 2), Math.floor(page / 512) % 512, table.mfn, RW_PRESENT | 0x800);
  }

  /** The table of `level` (1 = page table) on the way to `page`, made where missing. */
  table(page: number, level: number): DmaPages {
    if (level === 4) return this.root;
    const index = Math.floor(page / 512 ** level);
    const key = `${level}:${index}`;
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = this.#gpu.allocate(1, this.#owner);
      this.#tables.set(key, table);
      this.#set(this.table(page, level + 1), index % 512, table.mfn, RW_PRESENT);
    }
    return table;
  }

  #set(table: DmaPages, index: number, mfn: number, bits: number): void {
    table.words[table.at + index * 2] = entryLo(mfn, bits);
    table.words[table.at + index * 2 + 1] = entryHi(mfn);
  }
}

let nextId = 1;

/** A logical ring context with its ring, in pool pages of `owner`. */
export class Context {
  readonly id = nextId++;
  readonly image: DmaPages;
  readonly ring: DmaPages;
  readonly lrca: number;
  readonly descriptor: number;
  #tail = 0;

  constructor(driver: Driver, engine: EngineId, owner: number, space?: Ppgtt, levels: 3 | 4 = 4) {
    const { gpu } = driver;
    this.image = gpu.allocate(4, owner);
    this.ring = gpu.allocate(RING_PAGES, owner);
    this.lrca = driver.mapGgtt(this.image.mfn, 4);
    const mode = levels === 4 ? DESC.ADDRESSING_64 : DESC.ADDRESSING_32;
    this.descriptor = (this.lrca | DESC.VALID | DESC.PRIVILEGE | (mode << DESC.ADDRESSING_SHIFT)) >>> 0;
    writeContextLayout(this.image.words, this.state, engine);
    this.set(CTX.RING_START, driver.mapGgtt(this.ring.mfn, RING_PAGES));
    this.set(CTX.RING_CTL, ((RING_PAGES - 1) * PAGE_SIZE) | 1);
    if (space === undefined) return;
    if (levels === 4) {
      this.set(CTX.PDP0_LDW, entryLo(space.root.mfn, 0));
      this.set(CTX.PDP0_UDW, entryHi(space.root.mfn));
      return;
    }
    for (let i = 0; i < 4; i++) {
      const directory = space.table(i * 2 ** 18, 2);
      this.set(CTX_PDPS[i]![1], entryLo(directory.mfn, 1));
      this.set(CTX_PDPS[i]![0], entryHi(directory.mfn));
    }
  }

  /** First dword of the register state in the image's memory. */
  get state(): number {
    return this.image.at + PAGE_DWORDS;
  }
  get(index: number): number {
    return this.image.words[this.state + index]!;
  }
  set(index: number, value: number): void {
    this.image.words[this.state + index] = value;
  }
  /** Dword `index` of the context's status page. */
  status(index: number): number {
    return this.image.words[this.image.at + index]!;
  }

  /** Appends commands to the ring and moves the tail in the image, in whole qwords as drivers do. */
  emit(...dwords: number[]): this {
    if (dwords.length % 2 === 1) dwords.push(CMD.MI_NOOP);
    for (const dword of dwords) {
      this.ring.words[this.ring.at + this.#tail / 4] = dword;
      this.#tail = (this.#tail + 4) % (RING_PAGES * PAGE_SIZE);
    }
    this.set(CTX.RING_TAIL, this.#tail);
    return this;
  }
}

/** Splits a 48-bit address. */
export const lo = (address: number): number => (address % 2 ** 32) >>> 0;
export const hi = (address: number): number => Math.floor(address / 2 ** 32);

// Commands as drivers emit them.

export const storeDword = (address: number, value: number, bits = 0): number[] => [
  CMD.MI_STORE_DATA_IMM | 2 | bits,
  lo(address),
  hi(address),
  value,
];
export const batchStart = (address: number, bits = 0x100): number[] => [
  CMD.MI_BATCH_BUFFER_START | 1 | bits,
  lo(address),
  hi(address),
];
export const BATCH_END = CMD.MI_BATCH_BUFFER_END;
export const GGTT = 1 << 22;
export const loadRegister = (...pairs: number[]): number[] => [CMD.MI_LOAD_REGISTER_IMM | (pairs.length - 1), ...pairs];
export const storeRegister = (register: number, address: number, bits = 0): number[] => [
  CMD.MI_STORE_REGISTER_MEM | 2 | bits,
  register,
  lo(address),
  hi(address),
];
