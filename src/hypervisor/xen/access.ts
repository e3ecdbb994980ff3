/**
 * A request of Xen carried out: where it goes by its address, one item or many, in pieces where a guest's access is no
 * aligned 1, 2, 4 or 8 bytes. Nothing here allocates.
 */
import { PAGE_SIZE } from '../../base/index.js';
import { SPACE, type Space, type TrapSink } from '../port.js';
import { BAR0_BYTES, type XenBars } from './bars.js';
import type { XenCounters } from './counters.js';
import type { XenGuestMemory } from './memory.js';
import { REQUEST, REQUEST_FLAG, REQUEST_TYPE } from './native.js';
import type { WriteTracker } from './write-tracker.js';

const TWO_32 = 2 ** 32;
const ONES = 0xffffffff;
const CONFIG_BYTES = 256;
/** Device 2, function 0 of bus 0 in the high half of a configuration request's address. */
export const PCI_DEVICE = 2;
export const PCI_FUNCTION = 0;
const CONFIG_ADDRESS_HI = (PCI_DEVICE << 3) | PCI_FUNCTION;

export interface AccessOptions {
  readonly sink: TrapSink;
  readonly bars: XenBars;
  readonly memory: XenGuestMemory;
  readonly tracker: WriteTracker;
  readonly counters: XenCounters;
  readonly apertureBytes: number;
  /** Default: 16 MiB, as from Gen8 on. */
  readonly bar0Bytes?: number | undefined;
}

export class XenAccess {
  /** Answer to the last request. */
  lo = 0;
  hi = 0;
  readonly #options: AccessOptions;
  /** One item on its way, as bytes. */
  readonly #item = new Uint8Array(8);
  readonly #view = new DataView(this.#item.buffer);

  constructor(options: AccessOptions) {
    this.#options = options;
  }

  /** Carries out the request in `fields`; the answer is in `lo` and `hi`. */
  serve(fields: Uint32Array): void {
    const { counters } = this.#options;
    const type = fields[REQUEST.TYPE]!;
    this.lo = fields[REQUEST.DATA_LO]!;
    this.hi = fields[REQUEST.DATA_HI]!;
    counters.byType[type & 15]!++;
    switch (type) {
      case REQUEST_TYPE.COPY:
        this.#copy(fields);
        return;
      case REQUEST_TYPE.PCI_CONFIG:
        this.#config(fields);
        return;
      case REQUEST_TYPE.PIO:
        // No port was asked for.
        counters.refusals['xen.port']++;
        this.#nobody(fields);
        return;
      case REQUEST_TYPE.INVALIDATE:
        counters.invalidations++;
        this.#options.memory.invalidate();
        this.#options.tracker.invalidate();
        return;
      case REQUEST_TYPE.TIME_OFFSET:
        return;
      default:
        counters.refusals['xen.request-type']++;
        this.#nobody(fields);
    }
  }

  /** What a bus answers where there is nothing. */
  #nobody(fields: Uint32Array): void {
    const flags = fields[REQUEST.FLAGS]!;
    if ((flags & REQUEST_FLAG.READ) === 0 || (flags & REQUEST_FLAG.DATA_IS_POINTER) !== 0) return;
    this.lo = ONES;
    this.hi = ONES;
  }

  #config(fields: Uint32Array): void {
    const { counters } = this.#options;
    const offset = fields[REQUEST.ADDRESS_LO]!;
    const size = fields[REQUEST.SIZE]!;
    const foreign = fields[REQUEST.ADDRESS_HI] !== CONFIG_ADDRESS_HI;
    if (foreign || size < 1 || size > 4) {
      counters.refusals[foreign ? 'xen.config-device' : 'xen.request-size']++;
      this.#nobody(fields);
      return;
    }
    const read = (fields[REQUEST.FLAGS]! & REQUEST_FLAG.READ) !== 0;
    this.#transfer(SPACE.CONFIG, offset, size, CONFIG_BYTES, read);
  }

  #copy(fields: Uint32Array): void {
    const { counters } = this.#options;
    const size = fields[REQUEST.SIZE]!;
    const count = fields[REQUEST.COUNT]!;
    const flags = fields[REQUEST.FLAGS]!;
    const address = fields[REQUEST.ADDRESS_HI]! * TWO_32 + fields[REQUEST.ADDRESS_LO]!;
    if (size < 1 || size > 8) {
      counters.refusals['xen.request-size']++;
      this.#nobody(fields);
      return;
    }
    const read = (flags & REQUEST_FLAG.READ) !== 0;
    const pointer = (flags & REQUEST_FLAG.DATA_IS_POINTER) !== 0;
    if (count === 1 && !pointer) {
      this.#one(address, size, read);
      return;
    }
    counters.repeated++;
    counters.items += count;
    const step = (flags & REQUEST_FLAG.DOWNWARDS) !== 0 ? -size : size;
    const { lo, hi } = this;
    const data = hi * TWO_32 + lo;
    for (let i = 0; i < count; i++) {
      if (pointer) {
        this.#viaMemory(address + i * step, data + i * step, size, read);
      } else {
        if (!read) this.#load(lo, hi);
        this.#one(address + i * step, size, read);
      }
    }
    if (pointer) {
      this.lo = lo;
      this.hi = hi;
    }
  }

  #load(lo: number, hi: number): void {
    this.lo = lo;
    this.hi = hi;
  }

  /** One item between the device and the guest's memory at `data`. */
  #viaMemory(address: number, data: number, size: number, read: boolean): void {
    if (read) {
      this.#one(address, size, true);
      this.#view.setUint32(0, this.lo, true);
      this.#view.setUint32(4, this.hi, true);
      if (!this.#memory(data, size, false)) this.#options.counters.refusals['xen.pointer-memory']++;
      return;
    }
    this.#item.fill(0);
    if (!this.#memory(data, size, true)) {
      this.#options.counters.refusals['xen.pointer-memory']++;
      return;
    }
    this.lo = this.#view.getUint32(0, true);
    this.hi = this.#view.getUint32(4, true);
    this.#one(address, size, false);
  }

  /** One item at a guest address: of the device, or of a page whose writes are trapped. */
  #one(address: number, size: number, read: boolean): void {
    const { bars, apertureBytes, bar0Bytes = BAR0_BYTES } = this.#options;
    const { bar0, bar2 } = bars;
    if (bar0 >= 0 && address >= bar0 && address < bar0 + bar0Bytes) {
      this.#transfer(SPACE.BAR0, address - bar0, size, bar0Bytes, read);
    } else if (bar2 >= 0 && address >= bar2 && address < bar2 + apertureBytes) {
      this.#transfer(SPACE.BAR2, address - bar2, size, apertureBytes, read);
    } else {
      this.#ram(address, size, read);
    }
  }

  /** A page of the guest's memory whose writes are trapped, or was a moment ago. */
  #ram(address: number, size: number, read: boolean): void {
    const { counters, tracker } = this.#options;
    this.#view.setUint32(0, read ? ONES : this.lo, true);
    this.#view.setUint32(4, read ? ONES : this.hi, true);
    if (!this.#memory(address, size, read)) {
      counters.refusals['xen.outside-bars']++;
    } else if (!read) {
      counters.trackedWrites++;
      const first = Math.floor(address / PAGE_SIZE);
      const last = Math.floor((address + size - 1) / PAGE_SIZE);
      tracker.wrote(first);
      if (last !== first) tracker.wrote(last);
    }
    this.lo = this.#view.getUint32(0, true);
    this.hi = this.#view.getUint32(4, true);
  }

  /** Moves the item's bytes from (`read`) or to the guest's memory. @returns false where a byte of it is missing */
  #memory(address: number, size: number, read: boolean): boolean {
    const { memory } = this.#options;
    let done = 0;
    while (done < size) {
      const at = address + done;
      const inPage = at % PAGE_SIZE;
      const part = Math.min(size - done, PAGE_SIZE - inPage);
      const found = memory.locate(Math.floor(at / PAGE_SIZE));
      if (found < 0) return false;
      const from = found * 4 + inPage;
      this.#move(from, done, part, read);
      done += part;
    }
    return true;
  }

  /** An aligned dword is moved as one, for the guest's other vCPUs may look at it at any time. */
  #move(at: number, done: number, bytes: number, read: boolean): void {
    const { words, bytes: memory } = this.#options.memory;
    let i = 0;
    while (i < bytes) {
      if ((at + i) % 4 === 0 && bytes - i >= 4) {
        if (read) this.#view.setUint32(done + i, words[(at + i) >>> 2]!, true);
        else words[(at + i) >>> 2] = this.#view.getUint32(done + i, true);
        i += 4;
      } else {
        if (read) this.#item[done + i] = memory[at + i]!;
        else memory[at + i] = this.#item[done + i]!;
        i++;
      }
    }
  }

  /** One item at the device, in aligned pieces of 1, 2, 4 or 8 bytes; beyond the region's end is nothing. */
  #transfer(space: Space, offset: number, size: number, limit: number, read: boolean): void {
    const { sink } = this.#options;
    if ((size === 4 || size === 8 || size === 1 || size === 2) && offset % size === 0 && offset + size <= limit) {
      if (!read) {
        sink.write(space, offset, size, this.lo, this.hi);
        return;
      }
      this.lo = sink.read(space, offset, size);
      this.hi = size === 8 ? sink.readHi : 0;
      return;
    }
    if (offset + size > limit) this.#options.counters.refusals['xen.bar-edge']++;
    this.#view.setUint32(0, read ? ONES : this.lo, true);
    this.#view.setUint32(4, read ? ONES : this.hi, true);
    for (let done = 0; done < size; ) {
      const at = offset + done;
      if (at >= limit) break;
      const piece = pieceAt(at, size - done);
      if (read) this.#put(done, piece, sink.read(space, at, piece));
      else sink.write(space, at, piece, this.#get(done, piece), 0);
      done += piece;
    }
    if (!read) return;
    this.lo = this.#view.getUint32(0, true);
    this.hi = this.#view.getUint32(4, true);
  }

  #put(at: number, bytes: number, value: number): void {
    for (let i = 0; i < bytes; i++) this.#item[at + i] = value >>> (8 * i);
  }

  #get(at: number, bytes: number): number {
    let value = 0;
    for (let i = 0; i < bytes; i++) value |= this.#item[at + i]! << (8 * i);
    return value >>> 0;
  }
}

/** The largest aligned piece at `offset` of at most `left` bytes. */
function pieceAt(offset: number, left: number): number {
  if (left >= 4 && offset % 4 === 0) return 4;
  return left >= 2 && offset % 2 === 0 ? 2 : 1;
}
