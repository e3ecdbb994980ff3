/**
 * The files that a VMM keeps its guest's RAM in. A VMM passes a descriptor with every range that it maps, thousands of
 * times for the same file when it has an IOMMU; here each file is known by its identity and mapped once, in windows of
 * 1 GiB, for as long as any range uses a window. No descriptor is kept.
 */
import { PAGE_SHIFT } from '../../base/index.js';
import type { Native } from '../native.js';
import type { Rule } from './protocol.js';

/** Pages in a window. A dword index within a window stays below 2^28: a small integer, and well within a typed array. */
export const WINDOW_SHIFT = 18;
export const WINDOW_PAGES = 2 ** WINDOW_SHIFT;
/** Windows that one client may have: 512 GiB of files, of which a guest's memory may be scattered pieces. */
export const MAX_WINDOWS = 512;

export class RamFile {
  readonly key: string;
  /** Memory by window; null where no range needs it. */
  readonly windows: (Uint32Array<ArrayBuffer> | null)[] = [];
  /** Ranges that use a window. */
  readonly users: number[] = [];
  constructor(key: string) {
    this.key = key;
  }
}

export class RamFiles {
  readonly #native: Native;
  readonly #files = new Map<string, RamFile>();
  readonly #stat = new Float64Array(5);
  #windows = 0;

  constructor(native: Native) {
    this.#native = native;
  }

  get files(): number {
    return this.#files.size;
  }
  get windows(): number {
    return this.#windows;
  }

  /**
   * Makes `pages` pages of the file behind `fd`, from page `first`, accessible and counts one user of them.
   * The descriptor stays the caller's and is not needed afterwards.
   */
  acquire(fd: number, first: number, pages: number): RamFile | Rule {
    const stat = this.#stat;
    if (this.#native.statFile(fd, stat) < 0 || stat[4] !== 1) return 'dma-map.not-a-file';
    const filePages = Math.floor(stat[3]! / 2 ** PAGE_SHIFT);
    if (first + pages > filePages) return 'dma-map.beyond-file';
    const key = `${stat[0]}:${stat[1]}:${stat[2]}`;
    const file = this.#files.get(key) ?? new RamFile(key);
    const last = (first + pages - 1) >> WINDOW_SHIFT;
    for (let w = first >> WINDOW_SHIFT; w <= last; w++) {
      const from = w * WINDOW_PAGES;
      const needed = Math.min(WINDOW_PAGES, first + pages - from);
      const rule = this.#openWindow(file, fd, w, needed, Math.min(WINDOW_PAGES, filePages - from));
      if (rule !== null) {
        this.#closeUnused(file);
        return rule;
      }
    }
    this.#files.set(key, file);
    this.use(file, first, pages);
    return file;
  }

  #openWindow(file: RamFile, fd: number, w: number, needed: number, available: number): Rule | null {
    const old = file.windows[w] ?? null;
    if (old !== null && old.length >> 10 >= needed) return null;
    if (old === null && this.#windows >= MAX_WINDOWS) return 'dma-map.too-much';
    const size = 2 ** PAGE_SHIFT;
    const memory = this.#native.map(fd, w * WINDOW_PAGES * size, available * size);
    if (typeof memory === 'number') return 'dma-map.mmap';
    // The file has grown since this window was mapped: the new mapping shows the same pages and more.
    if (old !== null) this.#native.unmap(old.buffer);
    else this.#windows++;
    file.windows[w] = new Uint32Array(memory);
    file.users[w] ??= 0;
    return null;
  }

  /** Counts one more user of a part that is accessible already. */
  use(file: RamFile, first: number, pages: number): void {
    const last = (first + pages - 1) >> WINDOW_SHIFT;
    for (let w = first >> WINDOW_SHIFT; w <= last; w++) file.users[w] = file.users[w]! + 1;
  }

  /** Counts one user less; windows without users are let go. */
  release(file: RamFile, first: number, pages: number): void {
    const last = (first + pages - 1) >> WINDOW_SHIFT;
    let unused = false;
    for (let w = first >> WINDOW_SHIFT; w <= last; w++) {
      file.users[w] = file.users[w]! - 1;
      if (file.users[w] === 0) unused = true;
    }
    if (unused) this.#closeUnused(file);
  }

  #closeUnused(file: RamFile): void {
    let open = 0;
    for (let w = 0; w < file.windows.length; w++) {
      const memory = file.windows[w] ?? null;
      if (memory === null) continue;
      if (file.users[w]! > 0) {
        open++;
        continue;
      }
      this.#native.unmap(memory.buffer);
      file.windows[w] = null;
      this.#windows--;
    }
    if (open === 0) this.#files.delete(file.key);
  }

  /** Accesses to pages that the VMM had cut off its files. */
  faults(): number {
    let sum = 0;
    for (const file of this.#files.values()) {
      for (const memory of file.windows) if (memory) sum += this.#native.faultsOf(memory.buffer);
    }
    return sum;
  }

  /** Lets go of everything at once. */
  clear(): void {
    for (const file of this.#files.values()) {
      file.users.fill(0);
      this.#closeUnused(file);
    }
  }
}
