/**
 * Where the guest has put the device's BARs: the address ranges that Xen sends to us, moved whenever the guest moves them
 * or switches decoding off and on (Linux does so seven times in a boot, for sizing), and the aperture's slice of a physical
 * BAR, mapped into the guest where there is one.
 */
import { PAGE_SIZE } from '../../base/index.js';
import type { Native } from '../native.js';
import type { XenCounters } from './counters.js';
import { xenReason } from './errors.js';

export const BAR0_BYTES = 0x1000000;

/** A slice of a physical aperture that the guest reaches without traps. */
export interface HostAperture {
  /** Machine frame of the physical BAR's first page. */
  readonly mfn: number;
  /** The guest's slice, in pages from the BAR's start on. */
  readonly firstPage: number;
  readonly pages: number;
}

/** Below is memory that PCs have at fixed places: a BAR there is one that nobody has placed yet. */
const LOWEST = 0x100000;
/** Physical addresses end here. */
const HIGHEST = 2 ** 48;
const NOWHERE = -1;

export interface BarsOptions {
  readonly native: Native;
  readonly domid: number;
  readonly guest: number;
  readonly apertureBytes: number;
  /** Default: 16 MiB, as from Gen8 on. */
  readonly bar0Bytes?: number | undefined;
  readonly counters: XenCounters;
  readonly hostAperture?: HostAperture | undefined;
  readonly log: (message: string) => void;
  /** BAR0 is at this address now, or nowhere (-1). */
  readonly onRegisters: (address: number) => void;
}

export class XenBars {
  /** Address of BAR0 and BAR2 while accesses to them come here, else -1. */
  bar0 = NOWHERE;
  bar2 = NOWHERE;
  readonly #options: BarsOptions;
  readonly #bar0Bytes: number;
  /** What the guest programmed. */
  #wanted0 = NOWHERE;
  #wanted2 = NOWHERE;
  #decoding = false;
  #closing = false;
  /** Guest frame at which the slice is mapped, or -1. */
  #slice = NOWHERE;

  constructor(options: BarsOptions) {
    this.#options = options;
    this.#bar0Bytes = options.bar0Bytes ?? BAR0_BYTES;
  }

  moved(bar: 0 | 2, address: number): void {
    if (bar === 0) this.#wanted0 = address;
    else this.#wanted2 = address;
    if (this.#decoding) this.#follow();
  }

  decode(enabled: boolean): void {
    this.#decoding = enabled && !this.#closing;
    this.#follow();
  }

  #follow(): void {
    const bar0 = this.#decoding ? placed(this.#wanted0, this.#bar0Bytes) : NOWHERE;
    const bar2 = this.#decoding ? placed(this.#wanted2, this.#options.apertureBytes) : NOWHERE;
    // What goes, goes first: the new place of one may be the old place of the other.
    if (this.bar0 !== bar0) this.#unmap0();
    if (this.bar2 !== bar2) this.#unmap2();
    if (this.bar0 !== bar0 && this.#range(true, bar0, this.#bar0Bytes)) {
      this.bar0 = bar0;
      this.#options.onRegisters(bar0);
    }
    if (this.bar2 !== bar2 && this.#range(true, bar2, this.#options.apertureBytes)) {
      this.bar2 = bar2;
      this.#mapSlice(bar2);
    }
  }

  #unmap0(): void {
    if (this.bar0 === NOWHERE) return;
    this.#options.onRegisters(NOWHERE);
    this.#range(false, this.bar0, this.#bar0Bytes);
    this.bar0 = NOWHERE;
  }

  #unmap2(): void {
    if (this.bar2 === NOWHERE) return;
    this.#unmapSlice();
    this.#range(false, this.bar2, this.#options.apertureBytes);
    this.bar2 = NOWHERE;
  }

  #range(add: boolean, address: number, bytes: number): boolean {
    if (address === NOWHERE) return false;
    const { native, guest, counters, log } = this.#options;
    counters.rangeChanges++;
    const result = native.xenSetRange(guest, add, true, address, bytes);
    if (result >= 0) return true;
    counters.rangeFailures++;
    // A domain that is gone has no ranges any more, which is no news.
    if (counters.rangeFailures === 1 && !this.#closing) {
      const where = `${bytes} bytes at 0x${address.toString(16)}`;
      log(`cannot ${add ? 'trap' : 'release'} ${where} (said once): ${xenReason(result)}`);
    }
    return false;
  }

  #mapSlice(bar2: number): void {
    const { native, domid, hostAperture, counters, log } = this.#options;
    if (hostAperture === undefined) return;
    const { mfn, firstPage, pages } = hostAperture;
    const gfn = bar2 / PAGE_SIZE + firstPage;
    const result = native.xenMapHost(domid, true, gfn, mfn + firstPage, pages);
    if (result >= 0) {
      this.#slice = gfn;
      counters.apertureMaps++;
      return;
    }
    // What was mapped before it failed must not stay.
    native.xenMapHost(domid, false, gfn, mfn + firstPage, pages);
    counters.apertureFailures++;
    if (counters.apertureFailures > 1) return;
    log(`the aperture is trapped, it cannot be mapped at 0x${bar2.toString(16)} (said once): ${xenReason(result)}`);
  }

  #unmapSlice(): void {
    if (this.#slice === NOWHERE) return;
    const { native, domid, hostAperture } = this.#options;
    const { mfn, firstPage, pages } = hostAperture!;
    // Fails when the domain is gone, and its mappings with it.
    native.xenMapHost(domid, false, this.#slice, mfn + firstPage, pages);
    this.#slice = NOWHERE;
  }

  close(): void {
    this.#closing = true;
    this.decode(false);
  }
}

function placed(address: number, bytes: number): number {
  return address >= LOWEST && address + bytes <= HIGHEST ? address : NOWHERE;
}
