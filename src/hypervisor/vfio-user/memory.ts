/**
 * A guest's memory as its VMM describes it: ranges of guest frames, some of them backed by files that are mapped here.
 * Ranges come and go at run time (a BIOS alone remaps all of RAM a dozen times), also in other cuts than they came in.
 */
import { GUEST_FRAMES, type GuestMemory, PAGE_DWORDS } from '../../base/index.js';
import type { Native } from '../native.js';
import type { VfioUserCounters } from './counters.js';
import type { Rule } from './protocol.js';
import { type RamFile, RamFiles, WINDOW_PAGES, WINDOW_SHIFT } from './ram-file.js';

/** Ranges that one client may have at a time: the protocol's own default for max_dma_maps. */
export const MAX_RANGES = 65535;
/** File pages are counted in 31 bits. */
const MAX_FILE_PAGES = 2 ** 31 - 1;

/** Frames [start, end) of a guest, at page `page` and on of a file; no file: an address range without memory. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly file: RamFile | null;
  readonly page: number;
}

const NOWHERE: Range = { start: 1, end: 0, file: null, page: 0 };
const NO_WORDS = new Uint32Array(0);

export class VfioGuestMemory implements GuestMemory {
  words: Uint32Array = NO_WORDS;
  /** Told of each frame that locate() found, before its memory is read or written. */
  onTouch: ((gfn: number) => void) | null = null;
  /** Counts changes of what is mapped. */
  generation = 0;
  readonly #files: RamFiles;
  readonly #counters: VfioUserCounters;
  readonly #frameBase: number;
  /** By start, without overlap. */
  #ranges: Range[] = [];
  /** The range with memory that was found last: nearly always the next one too. */
  #hit: Range = NOWHERE;
  #mappedFrames = 0;
  #faultsSeen = 0;

  constructor(native: Native, counters: VfioUserCounters, frameBase: number) {
    this.#files = new RamFiles(native);
    this.#counters = counters;
    this.#frameBase = frameBase;
  }

  get mappedFrames(): number {
    return this.#mappedFrames;
  }
  get ranges(): number {
    return this.#ranges.length;
  }
  /** RAM that the device can reach, as [first frame, frames]. */
  ram(): (readonly [gfn: number, frames: number])[] {
    return this.#ranges.filter((range) => range.file !== null).map(({ start, end }) => [start, end - start]);
  }
  /** Mappings of files in force. */
  get windows(): number {
    return this.#files.windows;
  }

  locate(gfn: number): number {
    let range = this.#hit;
    if (!(gfn >= range.start && gfn < range.end)) {
      range = this.#find(gfn);
      if (range === NOWHERE) return -1;
      this.#hit = range;
    }
    if (this.onTouch !== null) this.onTouch(gfn);
    const page = range.page + (gfn - range.start);
    this.words = range.file!.windows[page >> WINDOW_SHIFT]!;
    return (page & (WINDOW_PAGES - 1)) * PAGE_DWORDS;
  }

  mfnOf(gfn: number): number {
    const hit = this.#hit;
    if (gfn >= hit.start && gfn < hit.end) return this.#frameBase + gfn;
    return this.#find(gfn) === NOWHERE ? -1 : this.#frameBase + gfn;
  }

  /** The range with memory that holds `gfn`, or NOWHERE. */
  #find(gfn: number): Range {
    const at = this.#firstEndingAfter(gfn);
    const range = this.#ranges[at];
    return range !== undefined && gfn >= range.start && range.file !== null ? range : NOWHERE;
  }

  /** Index of the first range whose end lies beyond `frame`. */
  #firstEndingAfter(frame: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#ranges[middle]!.end > frame) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #forgetHit(): void {
    this.generation++;
    this.#hit = NOWHERE;
    this.words = NO_WORDS;
  }

  /**
   * DMA_MAP. `fd` is -1 for a range without memory; it stays the caller's.
   * @returns the rule that refuses it, or null when the range is in force
   */
  map(start: number, frames: number, fd: number, page: number, writable: boolean): Rule | null {
    const end = start + frames;
    const at = this.#firstEndingAfter(start);
    const next = this.#ranges[at];
    if (next !== undefined && next.start < end) return 'dma-map.overlap';
    if (this.#ranges.length >= MAX_RANGES) return 'dma-map.too-many';
    let file: RamFile | null = null;
    // A device writes through its mapping whatever the guest's page tables say, so memory that it may only read is not
    // memory it can be given. Guests have that only below 1 MiB, where the BIOS keeps its copy.
    if (fd >= 0 && writable && end <= GUEST_FRAMES) {
      if (page + frames > MAX_FILE_PAGES) return 'dma-map.offset';
      const found = this.#files.acquire(fd, page, frames);
      if (typeof found === 'string') return found;
      file = found;
      this.#mappedFrames += frames;
    } else {
      this.#counters.mapsWithoutMemory++;
    }
    this.#ranges.splice(at, 0, { start, end, file, page });
    this.#forgetHit();
    return null;
  }

  /**
   * DMA_UNMAP of any cut: exactly a range, a part of one, or several.
   * @returns the rule that refuses it, or null when nothing is mapped there any more
   */
  unmap(start: number, frames: number): Rule | null {
    const end = start + frames;
    const from = this.#firstEndingAfter(start);
    let to = from;
    const kept: Range[] = [];
    for (; to < this.#ranges.length && this.#ranges[to]!.start < end; to++) {
      const range = this.#ranges[to]!;
      if (range.start < start) kept.push({ ...range, end: start });
      if (range.end > end) kept.push({ ...range, start: end, page: range.page + (end - range.start) });
    }
    if (to === from) {
      this.#counters.unmapsOfNothing++;
      return null;
    }
    if (this.#ranges.length - (to - from) + kept.length > MAX_RANGES) return 'dma-unmap.too-many';
    const gone = this.#ranges.splice(from, to - from, ...kept);
    // What stays is counted before what goes is, so that a window in use is not let go in between.
    for (const range of kept) this.#count(range, 1);
    for (const range of gone) this.#count(range, -1);
    this.#forgetHit();
    return null;
  }

  #count(range: Range, by: 1 | -1): void {
    if (range.file === null) return;
    const frames = range.end - range.start;
    this.#mappedFrames += by * frames;
    if (by > 0) this.#files.use(range.file, range.page, frames);
    else this.#files.release(range.file, range.page, frames);
  }

  /** The guest has no memory any more; whoever still asks finds none. */
  clear(): void {
    this.#ranges = [];
    this.#mappedFrames = 0;
    this.#files.clear();
    this.#forgetHit();
  }

  /** Pages missing from the guest's files that were touched since the last call. */
  newFaults(): number {
    const faults = this.#files.faults();
    const fresh = Math.max(0, faults - this.#faultsSeen);
    this.#faultsSeen = faults;
    return fresh;
  }
}
