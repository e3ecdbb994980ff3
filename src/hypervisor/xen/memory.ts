/**
 * A guest's memory under Xen, mapped as it is asked for: windows of 1 MiB in one arena, of which a bounded number is in
 * force at a time. The one used longest ago makes room for a new one.
 *
 * The arena is a single ArrayBuffer for as long as the guest lives, so that `words` never changes: a window that goes has
 * zero pages put in its place, and nobody's view ever loses its memory.
 *
 * What exists is remembered by page, longer than its window is mapped. Xen says when pages go (INVALIDATE), then
 * everything is looked at again; that pages come it does not say, so a page that was missing is asked for again, a bounded
 * number of times between two looks.
 */
import { constants } from 'node:os';
import { GUEST_FRAMES, type GuestMemory, PAGE_DWORDS, PAGE_SIZE } from '../../base/index.js';
import type { Native } from '../native.js';
import { xenCheck } from './errors.js';

/** Pages in a window, as a power of two. */
const WINDOW_SHIFT = 8;
export const WINDOW_PAGES = 2 ** WINDOW_SHIFT;
const WINDOW_BYTES = WINDOW_PAGES * PAGE_SIZE;
const GUEST_WINDOWS = GUEST_FRAMES / WINDOW_PAGES;
/** Windows in force: 128 MiB of a guest. */
export const DEFAULT_WINDOWS = 128;
/** Missing pages that are asked for again between two calls of look(). */
const RETRIES = 256;
const NO_WINDOW = -1;
/** The addon's answer when something else has taken addresses of the arena meanwhile: nothing of ours may be put there. */
const TAKEN = -constants.errno.EFAULT;

export interface XenMemoryOptions {
  readonly native: Native;
  readonly domid: number;
  /** The addon's number of the guest. */
  readonly guest: number;
  readonly frameBase: number;
  readonly windows?: number;
}

export class XenGuestMemory implements GuestMemory {
  readonly words: Uint32Array;
  /** The same memory as bytes. */
  readonly bytes: Uint8Array;
  generation = 0;
  /** Windows mapped so far; calls of the hypervisor, less those for single pages. */
  windowsMapped = 0;
  pagesRetried = 0;
  /** Calls that Xen refused as a whole: the domain is gone, or dom0 is short of something. */
  mapFailures = 0;
  /** Places for windows that are out of use for good. */
  placesLost = 0;
  readonly #options: XenMemoryOptions;
  readonly #arena: ArrayBuffer;
  readonly #slots: number;
  /** Place of each window of the guest, or NO_WINDOW. */
  readonly #slotOf = new Int16Array(GUEST_WINDOWS).fill(NO_WINDOW);
  /** Window in each place, or NO_WINDOW. */
  readonly #windowAt: Int32Array;
  readonly #lastUse: Float64Array;
  /** Places that can't be used any more. */
  readonly #lost: Uint8Array;
  /** 1 where the page is mapped, by place and page. */
  readonly #mapped: Uint8Array;
  readonly #fresh = new Uint8Array(WINDOW_PAGES);
  readonly #one = new Uint8Array(1);
  /** One bit per page that is known to exist, valid where its window is known. */
  readonly #exists = new Uint32Array(GUEST_FRAMES / 32);
  readonly #known = new Uint8Array(GUEST_WINDOWS);
  #clock = 0;
  #retries = RETRIES;
  #stale = false;
  #faults = 0;
  #closed = false;
  #mappedFrames = 0;

  constructor(options: XenMemoryOptions) {
    this.#options = options;
    this.#slots = options.windows ?? DEFAULT_WINDOWS;
    const arena = options.native.arena(this.#slots * WINDOW_BYTES);
    if (typeof arena === 'number') {
      xenCheck(arena, options.domid, 'addresses for its memory');
      throw new RangeError('an arena is never a result that is not an error');
    }
    this.#arena = arena;
    this.words = new Uint32Array(arena);
    this.bytes = new Uint8Array(arena);
    this.#windowAt = new Int32Array(this.#slots).fill(NO_WINDOW);
    this.#lastUse = new Float64Array(this.#slots);
    this.#lost = new Uint8Array(this.#slots);
    this.#mapped = new Uint8Array(this.#slots * WINDOW_PAGES);
  }

  get mappedFrames(): number {
    return this.#mappedFrames;
  }

  get windows(): number {
    let count = 0;
    for (const window of this.#windowAt) if (window !== NO_WINDOW) count++;
    return count;
  }

  locate(gfn: number): number {
    if (!(gfn >= 0 && gfn < GUEST_FRAMES) || this.#closed) return -1;
    if (this.#stale) this.#forget();
    const window = gfn >>> WINDOW_SHIFT;
    let slot = this.#slotOf[window]!;
    if (slot === NO_WINDOW) {
      slot = this.#map(window);
      if (slot === NO_WINDOW) return -1;
    }
    const page = slot * WINDOW_PAGES + (gfn & (WINDOW_PAGES - 1));
    if (this.#mapped[page] === 0 && !this.#retry(gfn, page)) return -1;
    this.#lastUse[slot] = ++this.#clock;
    return page * PAGE_DWORDS;
  }

  mfnOf(gfn: number): number {
    if (!(gfn >= 0 && gfn < GUEST_FRAMES) || this.#closed) return -1;
    if (this.#stale) this.#forget();
    if (this.#known[gfn >>> WINDOW_SHIFT] !== 0 && (this.#exists[gfn >>> 5]! & (1 << (gfn & 31))) !== 0) {
      return this.#options.frameBase + gfn;
    }
    return this.locate(gfn) < 0 ? -1 : this.#options.frameBase + gfn;
  }

  /** Time has passed: pages that were missing may be asked for again, and those that went are let go. */
  look(): void {
    this.#retries = RETRIES;
    if (this.#closed) return;
    // Whoever read a page after it had gone met a hole, which the addon has covered with zeroes, perhaps more than that.
    const faults = this.#options.native.faultsOf(this.#arena);
    if (faults > this.#faults) this.invalidate();
    this.#faults = faults;
    if (this.#stale) this.#forget();
  }

  /** Pages went or moved: nothing that is mapped or known may be used any more. Done when memory is next asked for. */
  invalidate(): void {
    this.#stale = true;
    this.generation++;
  }

  #forget(): void {
    this.#stale = false;
    for (let slot = 0; slot < this.#slots; slot++) this.#drop(slot);
    this.#known.fill(0);
    this.#exists.fill(0);
    this.#mappedFrames = 0;
  }

  #drop(slot: number): void {
    const window = this.#windowAt[slot]!;
    if (window === NO_WINDOW) return;
    this.#windowAt[slot] = NO_WINDOW;
    this.#slotOf[window] = NO_WINDOW;
    this.#mapped.fill(0, slot * WINDOW_PAGES, (slot + 1) * WINDOW_PAGES);
    if (this.#lost[slot] === 0) this.#clear(slot);
  }

  /** Zero pages instead of what is mapped there. A place where that fails is out of use. */
  #clear(slot: number): void {
    const { native } = this.#options;
    if (native.xenUnmapFrames(this.#arena, slot * WINDOW_BYTES, WINDOW_PAGES) < 0) this.#lose(slot);
  }

  #lose(slot: number): void {
    this.#lost[slot] = 1;
    this.placesLost++;
  }

  /** A free place, or that of the window used longest ago. */
  #place(): number {
    for (;;) {
      let oldest = NO_WINDOW;
      for (let slot = 0; slot < this.#slots; slot++) {
        if (this.#lost[slot] !== 0) continue;
        if (this.#windowAt[slot] === NO_WINDOW) return slot;
        if (oldest === NO_WINDOW || this.#lastUse[slot]! < this.#lastUse[oldest]!) oldest = slot;
      }
      if (oldest === NO_WINDOW) return NO_WINDOW;
      this.#drop(oldest);
    }
  }

  #map(window: number): number {
    // A window without any page is not asked for again and again: only its single pages are, and of those not many.
    if (this.#known[window] === 2 && this.#retries <= 0) return NO_WINDOW;
    if (this.#known[window] === 2) this.#retries--;
    const slot = this.#place();
    if (slot === NO_WINDOW) return NO_WINDOW;
    const { native, guest } = this.#options;
    const fresh = this.#fresh;
    const found = native.xenMapFrames(guest, this.#arena, slot * WINDOW_BYTES, window * WINDOW_PAGES, fresh);
    if (found < 0) {
      // The domain is gone, or dom0 is short of something; nothing is mapped, and the guest's access finds nothing.
      if (found === TAKEN) this.#lose(slot);
      this.mapFailures++;
      return NO_WINDOW;
    }
    this.windowsMapped++;
    this.#learn(window, fresh, found);
    if (found === 0) {
      this.#clear(slot);
      return NO_WINDOW;
    }
    this.#mapped.set(fresh, slot * WINDOW_PAGES);
    this.#windowAt[slot] = window;
    this.#slotOf[window] = slot;
    return slot;
  }

  #learn(window: number, fresh: Uint8Array, found: number): void {
    const first = window * WINDOW_PAGES;
    for (let i = 0; i < WINDOW_PAGES; i += 32) {
      let bits = 0;
      for (let bit = 0; bit < 32; bit++) bits |= fresh[i + bit]! << bit;
      const at = (first + i) >>> 5;
      this.#mappedFrames += ones(bits) - (this.#known[window] === 0 ? 0 : ones(this.#exists[at]!));
      this.#exists[at] = bits;
    }
    this.#known[window] = found === 0 ? 2 : 1;
  }

  /** A page that its window was mapped without: it may have come since. */
  #retry(gfn: number, page: number): boolean {
    if (this.#retries <= 0) return false;
    this.#retries--;
    this.pagesRetried++;
    const { native, guest } = this.#options;
    const found = native.xenMapFrames(guest, this.#arena, page * PAGE_SIZE, gfn, this.#one);
    if (found <= 0) {
      // A page that is not there is mapped as a hole, and an access to it would be a fault.
      const lost = found === TAKEN || (found === 0 && native.xenUnmapFrames(this.#arena, page * PAGE_SIZE, 1) < 0);
      if (lost) this.#lose(page >>> WINDOW_SHIFT);
      if (found < 0) this.mapFailures++;
      return false;
    }
    this.#mapped[page] = 1;
    this.#exists[gfn >>> 5]! |= 1 << (gfn & 31);
    this.#mappedFrames++;
    return true;
  }

  /** The guest is gone; whoever still asks finds nothing, and views read zero. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#mappedFrames = 0;
    this.#options.native.unmap(this.#arena);
  }
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
