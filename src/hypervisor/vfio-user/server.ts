/**
 * One vGPU's socket. Listens, lets one client at a time have the device, and is ready for the next when it goes.
 *
 * It registers itself with the mediator's Waiter; the mediator's loop has nothing to do but `waiter.run()`, and `tick()`
 * about once a second.
 */
import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { reasonOf, XengtError } from '../../base/index.js';
import { check, errnoName, type Native } from '../native.js';
import type { GuestPort, TrapSink } from '../port.js';
import { type Source, WANT, type Waiter } from '../waiter.js';
import { VfioUserCounters } from './counters.js';
import type { VfioGuestMemory } from './memory.js';
import type { Rule } from './protocol.js';
import { Session, type SessionHost, type SessionOptions } from './session.js';

/** An attached guest whose memory can be observed: `memory.onTouch`. */
export interface VfioGuestPort extends GuestPort {
  readonly memory: VfioGuestMemory;
}

export interface VfioUserOptions {
  /** Where the socket is made; a stale one there is replaced. */
  readonly path: string;
  /** File mode of the socket: who may attach a guest. Default 0600. */
  readonly mode?: number;
  readonly apertureBytes: number;
  /** Default: 16 MiB, as from Gen8 on. */
  readonly bar0Bytes?: number | undefined;
  /** First machine frame of this guest's memory. */
  readonly frameBase: number;
  readonly native: Native;
  readonly waiter: Waiter;
  /** A client is attached: makes its device. @throws when it can't have one; the client is told and let go */
  readonly makeGuest: (port: VfioGuestPort) => TrapSink;
  /** The client is gone. Its memory is still there during the call, and no longer after. */
  readonly onDetach: (reason: string) => void;
  /** The device threw while it served its client. The client gets an error; what becomes of the device is decided here. */
  readonly onFault?: (error: unknown) => void;
  /** Offer REGION_WRITE_MULTI. Default true. */
  readonly writeMultiple?: boolean;
  /** A client that leaves a message or an answer half done for so long is let go. Default 10 s. */
  readonly stallNs?: number;
  readonly log?: (message: string) => void;
}

/** Connections at a time: the client and others that are about to be told that there is one. */
const MAX_SESSIONS = 8;
const DEFAULT_STALL_NS = 10e9;

/** A session with what the server knows of it. */
interface Seat {
  readonly session: Session;
  id: number;
  want: number;
  /** Progress and time at the first tick that found it stalled. */
  stalledAt: number;
  stalledSince: number;
}

export class VfioUserServer implements Source, SessionHost {
  readonly counters = new VfioUserCounters();
  readonly native: Native;
  readonly options: SessionOptions;
  readonly path: string;
  readonly #given: VfioUserOptions;
  readonly #waiter: Waiter;
  readonly #listener: number;
  readonly #listenerId: number;
  readonly #file: Stats;
  readonly #seats: Seat[] = [];
  #client: Session | null = null;
  #listening = true;
  #closed = false;

  /** @throws XengtError when the socket cannot be made */
  constructor(options: VfioUserOptions) {
    this.#given = options;
    this.native = options.native;
    this.path = options.path;
    this.options = {
      apertureBytes: options.apertureBytes,
      bar0Bytes: options.bar0Bytes,
      frameBase: options.frameBase,
      writeMultiple: options.writeMultiple ?? true,
    };
    this.#waiter = options.waiter;
    this.#listener = listenAt(this.native, options.path, options.mode ?? 0o600);
    this.#file = lstatSync(options.path);
    this.#listenerId = this.#waiter.add(this.#listener, WANT.READ, this);
  }

  /** The attached guest, or null. */
  get guest(): VfioGuestPort | null {
    return this.#client;
  }

  /** Why the mediator gave up on the attached guest, or null. */
  get failed(): string | null {
    return this.#client?.failed ?? null;
  }

  log(message: string): void {
    this.#given.log?.(`${this.path}: ${message}`);
  }

  /** SessionHost: only the client has a device. */
  fault(error: unknown): void {
    this.#given.onFault?.(error);
  }

  onReady(id: number, budget: number): boolean {
    if (id === this.#listenerId) {
      this.#acceptAll();
      return false;
    }
    const seat = this.#seats.find((other) => other.id === id);
    return seat !== undefined && this.#run(seat, budget);
  }

  #run(seat: Seat, budget: number): boolean {
    const { session } = seat;
    const more = session.run(budget);
    if (session.ended !== null) {
      this.#leave(seat, session.ended);
      return false;
    }
    // While an answer waits to be read nothing more is taken from this client: that is what bounds its memory here.
    const want = session.connection.blocked ? WANT.WRITE : WANT.READ;
    if (want !== seat.want) {
      seat.want = want;
      this.#waiter.want(seat.id, want);
    }
    return more;
  }

  #acceptAll(): void {
    for (;;) {
      const fd = this.native.accept(this.#listener);
      if (fd < 0) {
        this.#afterAccept(fd);
        return;
      }
      this.#makeRoom();
      const session = new Session(this, fd);
      const seat: Seat = { session, id: -1, want: WANT.READ, stalledAt: -1, stalledSince: 0 };
      try {
        seat.id = this.#waiter.add(fd, WANT.READ, this);
      } catch (error) {
        this.log(`cannot take a client: ${reasonOf(error)}`);
        session.release();
        continue;
      }
      this.#seats.push(seat);
    }
  }

  #afterAccept(result: number): void {
    const { EAGAIN, EINTR, ECONNABORTED } = constants.errno;
    if (result === -EAGAIN || result === -EINTR || result === -ECONNABORTED) return;
    // Out of descriptors, most likely: the client stays in the queue, and the next tick looks again.
    this.log(`cannot accept a client: ${errnoName(result)}`);
    this.#listening = false;
    this.#waiter.want(this.#listenerId, WANT.SILENT);
  }

  /** Keeps a place for the newest: of those who only linger, the oldest goes. */
  #makeRoom(): void {
    if (this.#seats.length < MAX_SESSIONS) return;
    const seat = this.#seats.find((other) => other.session !== this.#client)!;
    this.counters.refusals['client.crowd']++;
    this.#leave(seat, 'too many connections');
  }

  /** SessionHost: a client has shown its version. */
  attach(session: Session): TrapSink | Rule {
    if (this.#client !== null) return 'client.second';
    const sink = this.#given.makeGuest(session);
    this.#client = session;
    this.counters.attaches++;
    this.log('client attached');
    return sink;
  }

  #leave(seat: Seat, reason: string): void {
    const { session } = seat;
    session.ended ??= reason;
    this.#seats.splice(this.#seats.indexOf(seat), 1);
    this.#waiter.remove(seat.id);
    const wasClient = session === this.#client;
    if (wasClient) {
      this.#client = null;
      this.counters.detaches++;
      this.log(`client detached: ${reason}`);
    }
    try {
      if (wasClient) this.#given.onDetach(reason);
    } finally {
      session.release();
    }
  }

  /** To be called about once a second: looks for stalled clients, and takes up what was put off. */
  tick(now: number): void {
    if (!this.#listening) {
      this.#listening = true;
      this.#waiter.want(this.#listenerId, WANT.READ);
    }
    const limit = this.#given.stallNs ?? DEFAULT_STALL_NS;
    for (const seat of [...this.#seats]) {
      const { session } = seat;
      const { connection, progress } = session;
      const open = connection.blocked || connection.partial || !session.versioned;
      if (!open || seat.stalledAt !== progress) {
        seat.stalledAt = open ? progress : -1;
        seat.stalledSince = now;
      } else if (now - seat.stalledSince >= limit) {
        this.counters.refusals['client.stalled']++;
        this.#leave(seat, 'client stalled');
      }
    }
    const faults = this.#client?.memory.newFaults() ?? 0;
    if (faults > 0) {
      this.counters.refusals['memory.truncated'] += faults;
      this.log(`client cut memory off its guest: ${faults} accesses found nothing`);
    }
  }

  /** Lets every client go and removes the socket. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiter.remove(this.#listenerId);
    this.native.close(this.#listener);
    for (const seat of [...this.#seats]) this.#leave(seat, 'server closed');
    const file = lstatSync(this.path, { throwIfNoEntry: false });
    if (file !== undefined && file.ino === this.#file.ino && file.dev === this.#file.dev) unlinkSync(this.path);
  }
}

/** Listens at `path`. A socket file that nobody listens on is removed first. */
function listenAt(native: Native, path: string, mode: number): number {
  const { EADDRINUSE } = constants.errno;
  const first = native.listen(path, mode);
  if (first !== -EADDRINUSE) return check(first, `cannot listen on ${path}`);
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === false) {
    throw new XengtError('XENGT_E_EXISTS', `cannot listen on ${path}: a file that is no socket is there`);
  }
  const probe = native.connect(path);
  if (probe >= 0) native.close(probe);
  if (probe !== -constants.errno.ECONNREFUSED) {
    throw new XengtError('XENGT_E_BUSY', `cannot listen on ${path}: another process listens there`);
  }
  unlinkSync(path);
  return check(native.listen(path, mode), `cannot listen on ${path}`);
}
