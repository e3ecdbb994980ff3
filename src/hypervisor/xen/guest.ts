/**
 * One HVM guest as the mediator holds it: an ioreq server of the domain with one event channel per vCPU, the guest's memory,
 * the address ranges of its device, and its interrupts. Opening is all or nothing, and so is closing.
 *
 * Once it is open, no call of Xen that fails is thrown: a domain may vanish at any moment, and whoever serves it goes on
 * until it is told.
 */
import { XengtError } from '../../base/index.js';
import { errnoName, type Native } from '../native.js';
import type { GuestPort, PlainRegisters } from '../port.js';
import { PCI_DEVICE, PCI_FUNCTION } from './access.js';
import { type HostAperture, XenBars } from './bars.js';
import type { XenCounters } from './counters.js';
import { isGone, xenCheck, xenReason } from './errors.js';
import { XenGuestMemory } from './memory.js';
import { WriteTracker } from './write-tracker.js';

export interface XenGuestOptions {
  readonly native: Native;
  readonly domid: number;
  readonly apertureBytes: number;
  /** Default: 16 MiB, as from Gen8 on. */
  readonly bar0Bytes?: number | undefined;
  /** First machine frame of this guest's memory. */
  readonly frameBase: number;
  /** The guest's slice of a physical aperture; without one the aperture is trapped. */
  readonly hostAperture?: HostAperture;
  /** Windows of its memory that are mapped at a time, 1 MiB each. */
  readonly windows?: number;
  readonly counters: XenCounters;
  readonly log: (message: string) => void;
}

/** Where Xen's libraries are looked for first; empty: where the system has them. */
const LIBRARIES = 'XENGT_XEN_LIBS';

/** Loads Xen's libraries. @throws XengtError that names the one that is missing, and its package */
export function loadXen(native: Native, what: string): void {
  const missing = native.xenLoad(process.env[LIBRARIES] ?? '');
  if (missing !== '') throw new XengtError('XENGT_E_XEN', `${what}: ${missing}`);
}

export class XenGuest implements GuestPort {
  readonly canTrackWrites = true;
  readonly memory: XenGuestMemory;
  readonly tracker: WriteTracker;
  readonly bars: XenBars;
  /** The addon's number of the guest. */
  readonly handle: number;
  /** Number of the ioreq server within the domain. */
  readonly serverId: number;
  readonly vcpus: number;
  /** Why the mediator gave up on this guest; null while it has not. */
  failed: string | null = null;
  readonly #options: XenGuestOptions;
  #plain: PlainRegisters | null = null;
  #intx = false;
  #closed = false;

  /** @throws XengtError that names the domain, the step and the reason; nothing is left behind then */
  constructor(options: XenGuestOptions) {
    const { native, domid, frameBase, windows } = options;
    this.#options = options;
    loadXen(native, `domain ${domid}`);
    const handle = xenCheck(native.xenOpen(domid), domid, 'opening it');
    this.handle = handle;
    let memory: XenGuestMemory | null = null;
    try {
      memory = new XenGuestMemory({ native, domid, guest: handle, frameBase, ...(windows && { windows }) });
      this.memory = memory;
      this.tracker = new WriteTracker(native, handle);
      this.bars = new XenBars({
        ...options,
        guest: handle,
        onRegisters: (address) => this.#registersAt(address),
      });
      this.serverId = xenCheck(native.xenCreateServer(handle), domid, 'creating an ioreq server');
      xenCheck(native.xenMapRequests(handle), domid, 'mapping its requests');
      const function_ = `PCI function 00:0${PCI_DEVICE}.${PCI_FUNCTION}`;
      xenCheck(native.xenClaimPci(handle, PCI_DEVICE, PCI_FUNCTION), domid, `claiming ${function_}`);
      // Event channels exist from here on.
      xenCheck(native.xenEnable(handle), domid, 'enabling its ioreq server');
      this.vcpus = xenCheck(native.xenVcpus(handle), domid, 'counting its vCPUs');
      for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
        xenCheck(native.xenBind(handle, vcpu), domid, `binding the event channel of vCPU ${vcpu}`);
      }
    } catch (error) {
      native.xenClose(handle);
      memory?.close();
      throw error;
    }
  }

  /** Reads of these are answered by the addon, while BAR0 is decoded. */
  servePlain(registers: PlainRegisters): void {
    this.#plain = registers;
    this.#registersAt(this.bars.bar0);
  }

  /** BAR0 is decoded at this address now, or nowhere (-1). */
  #registersAt(address: number): void {
    const registers = this.#plain;
    if (registers === null) return;
    const { native, domid } = this.#options;
    const result = native.xenPlain(this.handle, address, registers.bank, registers.plain);
    // Not Xen's doing: the arrays do not fit each other.
    if (result < 0) throw new RangeError(`domain ${domid}: the bank of plain registers: ${errnoName(result)}`);
  }

  // The guest port.

  injectMsi(address: number, data: number): void {
    if (this.#closed) return;
    const { native, counters } = this.#options;
    if (native.xenMsi(this.handle, address, data) < 0) counters.msiFailed++;
    else counters.msiInjected++;
  }

  setIntx(asserted: boolean): void {
    if (this.#closed) return;
    const { native, counters } = this.#options;
    if (native.xenIntx(this.handle, PCI_DEVICE, asserted) < 0) {
      counters.intxFailed++;
      return;
    }
    counters.intxChanges++;
    this.#intx = asserted;
  }

  /** Its vCPUs are answered all the same: a guest that lost its device is not to stop. */
  fail(reason: string): void {
    const { counters, log } = this.#options;
    counters.failures++;
    if (this.failed === null) log(`guest failed: ${reason}`);
    this.failed ??= reason;
  }

  trackWrites(gfn: number, on: boolean): boolean {
    if (on) return this.tracker.track(gfn);
    this.tracker.untrack(gfn);
    return true;
  }

  takeWritten(gfn: number): boolean {
    return this.tracker.takeDirty(gfn);
  }

  barMoved(bar: 0 | 2, address: number): void {
    this.bars.moved(bar, address);
  }

  memoryDecode(enabled: boolean): void {
    this.bars.decode(enabled);
  }

  // The end.

  /** Nothing of the device reaches the guest any more; its memory is still there. */
  quiesce(): void {
    if (this.#closed) return;
    this.bars.close();
    this.tracker.close();
    // A line that stays asserted would be an interrupt that nobody ends.
    if (this.#intx) this.setIntx(false);
  }

  /** Lets go of the domain. vCPUs that wait for an answer get ones. */
  close(): void {
    if (this.#closed) return;
    this.quiesce();
    this.#closed = true;
    const { native, domid, log } = this.#options;
    const result = native.xenClose(this.handle);
    // Of a domain that is gone Xen has taken everything back already.
    if (result < 0 && !isGone(result)) log(`domain ${domid}: letting go of it: ${xenReason(result)}`);
    this.memory.close();
  }
}
