/**
 * Serves one guest: attaches to its domain, takes its vCPUs' requests from the addon, and gives each exactly one answer.
 *
 * It registers itself with the mediator's Waiter; the mediator's loop has nothing to do but `waiter.run()`, and `tick()`
 * about once a second. Reads of plain registers never come here: the addon answers them while the thread waits.
 */
import { XengtError } from '../../base/index.js';
import type { Native } from '../native.js';
import type { GuestPort, TrapSink } from '../port.js';
import { type Source, WANT, type Waiter } from '../waiter.js';
import { XenAccess } from './access.js';
import type { HostAperture } from './bars.js';
import { XenCounters, type XenCounts } from './counters.js';
import { isGone, xenCheck, xenReason } from './errors.js';
import { loadXen, XenGuest } from './guest.js';
import { REQUEST } from './native.js';

export interface XenServerOptions {
  readonly native: Native;
  readonly waiter: Waiter;
  readonly domid: number;
  readonly apertureBytes: number;
  /** Default: 16 MiB, as from Gen8 on. */
  readonly bar0Bytes?: number | undefined;
  /** First machine frame of this guest's memory. */
  readonly frameBase: number;
  /** The guest is open: makes its device. The last step; what it throws undoes the others. */
  readonly makeGuest: (port: GuestPort) => TrapSink;
  /** The guest is let go. Its memory is still there during the call, and no longer after. */
  readonly onDetach: () => void;
  /** The device threw while it served its guest, which got ones. What becomes of the device is decided here. */
  readonly onFault: (error: unknown) => void;
  readonly log: (message: string) => void;
  /** The guest's slice of a physical aperture; without one the aperture is trapped. */
  readonly hostAperture?: HostAperture;
  /** Windows of its memory that are mapped at a time, 1 MiB each. */
  readonly windows?: number;
}

const ONES = 0xffffffff;

export class XenServer implements Source {
  readonly counters = new XenCounters();
  readonly domid: number;
  readonly guest: XenGuest;
  readonly #options: XenServerOptions;
  readonly #native: Native;
  readonly #sink: TrapSink;
  readonly #access: XenAccess;
  readonly #fields = new Uint32Array(REQUEST.DWORDS);
  readonly #counts = new Float64Array(3);
  #id = -1;
  #closed = false;

  /** Attaches at once. @throws XengtError that names the domain, the step and the reason; nothing is left behind then */
  constructor(options: XenServerOptions) {
    const { native, waiter, domid, log } = options;
    const { counters } = this;
    this.domid = domid;
    this.#options = options;
    this.#native = native;
    const guest = new XenGuest({ ...options, counters, log });
    this.guest = guest;
    try {
      this.#id = waiter.add(xenCheck(native.xenFd(guest.handle), domid, 'asking for its events'), WANT.READ, this);
      xenCheck(native.xenServe(guest.handle, waiter.descriptor, this.#id), domid, 'waiting for its events');
      this.#sink = options.makeGuest(guest);
    } catch (error) {
      this.#release();
      throw error;
    }
    const { memory, bars, tracker } = guest;
    this.#access = new XenAccess({
      sink: this.#sink,
      bars,
      memory,
      tracker,
      counters,
      apertureBytes: options.apertureBytes,
      bar0Bytes: options.bar0Bytes,
    });
    if (this.#sink.plainRegisters) guest.servePlain(this.#sink.plainRegisters);
    log(`domain ${domid} attached: ioreq server ${guest.serverId}, ${guest.vcpus} vCPUs`);
  }

  /** Number of the ioreq server, by which one that a crash left behind can be destroyed. */
  get serverId(): number {
    return this.guest.serverId;
  }

  /** Why the mediator gave up on the guest, or null. */
  get failed(): string | null {
    return this.guest.failed;
  }

  /** False once the domain was let go. */
  get attached(): boolean {
    return !this.#closed;
  }

  onReady(_id: number, budget: number): boolean {
    const { guest } = this;
    for (let left = budget; left > 0; ) {
      const vcpu = this.#native.xenNext(guest.handle, this.#fields);
      if (vcpu >= 0) {
        this.#serve(vcpu);
        // The device may have been taken away by what it did.
        if (this.#closed) return false;
        left--;
        continue;
      }
      const pumped = this.#native.xenPump(guest.handle);
      if (pumped < 0) this.#lost(pumped);
      if (pumped <= 0) return false;
    }
    return true;
  }

  #serve(vcpu: number): void {
    const { counters } = this;
    const access = this.#access;
    counters.taken++;
    let fault: unknown = null;
    try {
      access.serve(this.#fields);
    } catch (error) {
      fault = error ?? new XengtError('XENGT_E_XEN', `domain ${this.domid}: its device threw nothing`);
      access.lo = ONES;
      access.hi = ONES;
    }
    // Closing has answered already.
    if (!this.#closed && this.#native.xenAnswer(this.guest.handle, vcpu, access.lo, access.hi) >= 0) counters.answers++;
    if (fault === null) return;
    counters.faults++;
    this.#options.onFault(fault);
  }

  /** No event can be taken any more, so no request could be answered: its vCPUs are let go. */
  #lost(result: number): void {
    this.#options.log(`domain ${this.domid}: its events cannot be read: ${xenReason(result)}`);
    this.close();
  }

  /** What is shown to operators, as of now. */
  counts(): XenCounts {
    if (!this.#closed) this.#count();
    const { counters } = this;
    return {
      requests: counters.requests,
      plainReads: counters.plainReads,
      trackedWrites: counters.trackedWrites,
      protectedFrames: counters.protectedFrames,
      givenUpFrames: counters.givenUpFrames,
      timesGivenUp: counters.givenUp,
      windowsMapped: counters.windowsMapped,
      refusals: counters.refusalsByRule(),
    };
  }

  /** To be called about once a second. */
  tick(_nowNs: number): void {
    if (this.#closed) return;
    this.guest.memory.look();
    this.#count();
  }

  /** Brings the counters up to date with those of the addon and of the guest's parts. */
  #count(): void {
    const { counters, guest } = this;
    const { memory, tracker } = guest;
    counters.windowsMapped = memory.windowsMapped;
    counters.mapFailures = memory.mapFailures;
    counters.protectedFrames = tracker.protectedFrames;
    counters.givenUpFrames = tracker.givenUpFrames;
    counters.givenUp = tracker.givenUp;
    counters.protectRefused = tracker.refused;
    if (this.#native.xenCounts(guest.handle, this.#counts) < 0) return;
    const plain = this.#counts[1]!;
    this.#sink.plainRegisters?.answered(plain - counters.plainReads);
    counters.requests = this.#counts[0]!;
    counters.plainReads = plain;
    counters.stray = this.#counts[2]!;
  }

  /** The descriptor goes before what it belongs to. */
  #release(): void {
    try {
      if (this.#id >= 0) this.#options.waiter.remove(this.#id);
    } finally {
      this.guest.close();
    }
  }

  /** Lets the guest go: its vCPUs that wait get ones, and nothing of it is left behind. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const { onDetach, log } = this.#options;
    const { counters, guest } = this;
    guest.quiesce();
    this.#count();
    try {
      onDetach();
    } finally {
      this.#release();
      // Those that were taken and not answered above have their answer from closing.
      counters.answers = counters.taken;
      counters.protectedFrames = 0;
      counters.givenUpFrames = 0;
      log(`domain ${this.domid} let go`);
    }
  }
}

/**
 * Destroys an ioreq server that an earlier run left behind.
 * @returns false when it was gone already, or its domain
 * @throws XengtError that names the domain and the reason
 */
export function destroyLeftoverServer(native: Native, domid: number, server: number): boolean {
  const what = `ioreq server ${server} that an earlier run left behind`;
  loadXen(native, `domain ${domid}: destroying ${what}`);
  const result = native.xenDestroyServer(domid, server);
  if (isGone(result)) return false;
  xenCheck(result, domid, `destroying ${what}`);
  return true;
}
