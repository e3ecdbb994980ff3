/**
 * The memory of a worker's cases: the guest's, its neighbour's, the mediator's pages that are executed from, and the page
 * tables over them. Made once; what a case touches is put back before the next.
 */
import { type Frames, PAGE_DWORDS, PAGE_SIZE } from '../src/base/index.js';
import { GlobalGtt } from '../src/gpu/model/ggtt.js';
import { MachineMemory, OWNER_FRAMES } from '../src/gpu/model/memory.js';
import { type DmaPages, OWNER_MEDIATOR } from '../src/gpu/port.js';
import { frameHi, frameLo, PTE_PRESENT, PTE_RW } from '../src/hw/index.js';
import type { ShadowRoot } from './answers.js';
import type { FuzzCase } from './case.js';
import { frameOfPage, isHole, type Layout, RAM_DWORDS, RAM_PAGES } from './surroundings.js';

const GUEST = 1;
export const NEIGHBOUR = 2;
const NEIGHBOUR_PAGES = 8;
export const CANARY = 0xca7a51e5;
/** No engine knows this header: whoever runs off the end of a copy stops here. */
export const POISON = 0xffffffff;
export const RING_PAGES = 2;
/** Pages for copies of batches and workaround buffers. */
export const ARENA_PAGES = 128;
const POOL_PAGES = 1024;
const GGTT_PAGES = 2 ** 20;
/** Where the mediator's pages are, from the start of its graphics memory. */
export const OFFSET = { image: 0, ring: 0x10000, status: 0x20000, arena: 0x100000 } as const;
export class World {
  readonly memory = new MachineMemory(POOL_PAGES);
  readonly ram = new Uint32Array(RAM_DWORDS);
  /** What the guest's memory holds when a case begins: only pages that an execution touched are put back. */
  readonly template = new Uint32Array(RAM_DWORDS);
  readonly touched = new Uint8Array(RAM_PAGES);
  readonly neighbour = new Uint32Array(NEIGHBOUR_PAGES * PAGE_DWORDS).fill(CANARY);
  readonly image: DmaPages;
  readonly ring: DmaPages;
  readonly arena: DmaPages;
  readonly tables: DmaPages;
  readonly hwsp: DmaPages;
  readonly root: ShadowRoot;
  #fill = 0;
  readonly #tablesCopy: Uint32Array;
  readonly #ggtts = new Map<Layout, GlobalGtt>();

  constructor() {
    const { memory } = this;
    memory.attach(GUEST, this.#guest());
    memory.attach(NEIGHBOUR, {
      words: this.neighbour,
      locate: (frame) => (frame < NEIGHBOUR_PAGES ? frame * PAGE_DWORDS : -1),
    });
    this.image = memory.allocate(2, GUEST);
    this.ring = memory.allocate(RING_PAGES, GUEST);
    this.arena = memory.allocate(ARENA_PAGES, GUEST);
    this.tables = memory.allocate(4, GUEST);
    this.hwsp = memory.allocate(1, OWNER_MEDIATOR);
    this.root = { lo: frameLo(this.tables.mfn), hi: frameHi(this.tables.mfn) };
    this.#buildTables();
    this.#tablesCopy = this.tables.words.slice(this.tables.at, this.tables.at + 4 * PAGE_DWORDS);
    this.arena.words.fill(POISON, this.arena.at, this.arena.at + ARENA_PAGES * PAGE_DWORDS);
    this.ring.words.fill(POISON, this.ring.at, this.ring.at + RING_PAGES * PAGE_DWORDS);
  }

  /** The global GTT of a layout: the guest's ranges, the mediator's pages, and all the rest the neighbour's. */
  ggttOf(layout: Layout): GlobalGtt {
    const known = this.#ggtts.get(layout);
    if (known !== undefined) return known;
    const { ranges, mediator } = layout;
    const ggtt = new GlobalGtt({ gen: 9, ggttEntries: GGTT_PAGES });
    this.#ggtts.set(layout, ggtt);
    const put = (page: number, frame: number): void => {
      ggtt.write(page, (frameLo(frame) | PTE_PRESENT) >>> 0, frameHi(frame));
    };
    for (let page = 0; page < GGTT_PAGES; page++) put(page, OWNER_FRAMES * NEIGHBOUR + (page % NEIGHBOUR_PAGES));
    for (const [first, end] of [
      [ranges.lowStart, ranges.lowEnd],
      [ranges.highStart, ranges.highEnd],
    ] as const)
      for (let page = first / PAGE_SIZE; page < end / PAGE_SIZE; page++)
        if (isHole(page)) ggtt.write(page, 0, 0);
        else put(page, OWNER_FRAMES * GUEST + frameOfPage(page));
    const map = (offset: number, pages: DmaPages): void => {
      for (let i = 0; i < pages.pages; i++) put((mediator + offset) / PAGE_SIZE + i, pages.mfn + i);
    };
    map(OFFSET.image, this.image);
    map(OFFSET.ring, this.ring);
    map(OFFSET.status, this.hwsp);
    map(OFFSET.arena, this.arena);
    return ggtt;
  }

  #guest(): Frames {
    const { ram, touched } = this;
    return {
      words: ram,
      locate: (frame) => {
        if (frame >= RAM_PAGES) return -1;
        touched[frame] = 1;
        return frame * PAGE_DWORDS;
      },
    };
  }

  /** Four tables, of which every entry of the upper three leads to the next: the whole address space is the same 2 MiB. */
  #buildTables(): void {
    const { words, at, mfn } = this.tables;
    for (let level = 0; level < 4; level++)
      for (let entry = 0; entry < 512; entry++) {
        const frame = level < 3 ? mfn + level + 1 : OWNER_FRAMES * GUEST + frameOfPage(entry);
        const index = at + level * PAGE_DWORDS + entry * 2;
        const present = level === 3 && isHole(entry) ? 0 : PTE_PRESENT | PTE_RW;
        words[index] = (frameLo(frame) | present) >>> 0;
        words[index + 1] = frameHi(frame);
      }
  }

  /** The guest's memory as the case has it: template and pieces, and pages that the last execution touched put back. */
  load(fuzzCase: FuzzCase): void {
    const { template, ram, touched } = this;
    if (fuzzCase.fill !== this.#fill) {
      this.#fill = fuzzCase.fill;
      template.fill(fuzzCase.fill);
      touched.fill(1);
    }
    for (let page = 0; page < RAM_PAGES; page++) {
      if (touched[page] === 0) continue;
      const first = page * PAGE_DWORDS;
      ram.set(template.subarray(first, first + PAGE_DWORDS), first);
      touched[page] = 0;
    }
    for (const { at, words } of fuzzCase.pieces) {
      const count = Math.min(words.length, RAM_DWORDS - at);
      ram.set(words.subarray(0, count), at);
      for (let page = at >>> 10; page <= (at + count - 1) >>> 10 && page < RAM_PAGES; page++) touched[page] = 1;
    }
  }

  /** Whether the guest's memory still is what load() made it. */
  isAsLoaded(fuzzCase: FuzzCase): boolean {
    const expected = this.template.slice();
    for (const { at, words } of fuzzCase.pieces) expected.set(words.subarray(0, RAM_DWORDS - at), at);
    return firstDifference(this.ram, 0, expected, RAM_DWORDS) < 0;
  }

  /** What no case ever changes: the neighbour's memory, page tables. @returns what did change, or null */
  changed(): string | null {
    if (firstOther(this.neighbour, 0, this.neighbour.length, CANARY) >= 0) return "the neighbour's memory changed";
    const { words, at } = this.tables;
    return firstDifference(words, at, this.#tablesCopy, this.#tablesCopy.length) < 0 ? null : 'page tables changed';
  }
}

/** @returns how many dwords behind `at` the first one differs from `expected`, or -1 */
export function firstDifference(words: Uint32Array, at: number, expected: Uint32Array, count: number): number {
  for (let i = 0; i < count; i++) if (words[at + i] !== expected[i]) return i;
  return -1;
}

/** @returns how many dwords behind `from` the first one is not `expected`, or -1 */
export function firstOther(words: Uint32Array, from: number, to: number, expected: number): number {
  for (let i = from; i < to; i++) if (words[i] !== expected) return i - from;
  return -1;
}
