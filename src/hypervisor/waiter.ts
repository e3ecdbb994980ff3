/**
 * The one place where the mediator's thread sleeps: a wait over the descriptors of all guests, with a timeout for what is
 * due next, and a way for other threads to end it early.
 */

import { XengtError } from '../base/index.js';
import { check, errnoName, type Native } from './native.js';

/** What a source wants to be told of. SILENT keeps it registered; a hang-up is reported all the same. */
export const WANT = { SILENT: 0, READ: 1, WRITE: 2 } as const;
export type Want = (typeof WANT)[keyof typeof WANT];

/** Whoever owns registered descriptors. */
export interface Source {
  /**
   * The descriptor registered under `id` is ready. Does at most about `budget` messages' worth of work.
   * @returns true when there is more that can be done at once: it is called again before the next sleep
   */
  onReady(id: number, budget: number): boolean;
}

/** Ids handed out at once: descriptors of about a thousand guests. */
const MAX_SOURCES = 4096;

export class Waiter {
  /** Ids that the last wait() found ready. */
  readonly ready = new Int32Array(256);
  /** Busy-waits this long before it sleeps; 0 leaves the processor to others. */
  spinNs = 0;
  /** Called after each sleep, before any source has its turn: time has passed. */
  onAwake: (() => void) | null = null;
  readonly #native: Native;
  readonly #ep: number;
  readonly #sources: (Source | null)[] = [];
  readonly #fds: number[] = [];
  /** Ids with more to do than their last budget allowed; the second list is the one being worked off. */
  #more: number[] = [];
  #left: number[] = [];
  /** Number of the run in which an id had its turn last. */
  readonly #turn = new Uint32Array(MAX_SOURCES);
  #runs = 0;
  #closed = false;

  constructor(native: Native) {
    this.#native = native;
    this.#ep = check(native.epollCreate(), 'cannot create an epoll descriptor');
  }

  /** What the thread waits on. */
  get descriptor(): number {
    return this.#ep;
  }

  /** Registers a descriptor, which stays the caller's. @returns its id */
  add(fd: number, want: Want, source: Source): number {
    let id = this.#sources.indexOf(null);
    if (id < 0) id = this.#sources.length;
    if (id >= MAX_SOURCES)
      throw new XengtError('XENGT_E_NO_SPACE', `no more than ${MAX_SOURCES} descriptors can be waited on`);
    check(this.#native.epollSet(this.#ep, fd, want, id), `cannot wait on descriptor ${fd}`);
    this.#sources[id] = source;
    this.#fds[id] = fd;
    return id;
  }

  want(id: number, want: Want): void {
    check(this.#native.epollSet(this.#ep, this.#fds[id]!, want, id), `cannot wait on descriptor ${this.#fds[id]}`);
  }

  /** To be called before the descriptor is closed. */
  remove(id: number): void {
    if (this.#sources[id] === null || this.#sources[id] === undefined) return;
    this.#sources[id] = null;
    const fd = this.#fds[id]!;
    this.#fds[id] = -1;
    if (!this.#closed) check(this.#native.epollRemove(this.#ep, fd), `cannot stop waiting on descriptor ${fd}`);
  }

  /** True when a source has more to do and the next run() will not sleep. */
  get hasMore(): boolean {
    return this.#more.length > 0;
  }

  /**
   * Sleeps until something is ready or `timeoutNs` have passed (Infinity: no limit), then lets each ready source do up to
   * `budget` messages' worth of work. Sources that had more to do before get their turn too, so nobody is starved.
   * @returns number of sources that were called
   */
  run(timeoutNs: number, budget: number): number {
    const timeout = this.#more.length > 0 ? 0 : timeoutNs;
    const count = this.#native.epollWait(this.#ep, timeout, this.ready, this.spinNs);
    if (count < 0) throw new XengtError('XENGT_E_IO', `cannot wait for guests: ${errnoName(count)}`);
    this.onAwake?.();
    this.#runs = (this.#runs + 1) >>> 0;
    const left = this.#more;
    this.#more = this.#left;
    this.#left = left;
    let called = 0;
    for (let i = 0; i < left.length; i++) called += this.#call(left[i]!, budget);
    for (let i = 0; i < count; i++) called += this.#call(this.ready[i]!, budget);
    left.length = 0;
    return called;
  }

  /** Gives an id its turn, once a run. An id that was given to another source meanwhile costs that one an idle look. */
  #call(id: number, budget: number): number {
    const source = this.#sources[id];
    if (source === null || source === undefined || this.#turn[id] === this.#runs) return 0;
    this.#turn[id] = this.#runs;
    if (source.onReady(id, budget)) this.#more.push(id);
    return 1;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#native.close(this.#ep);
  }
}

/** Ends a Waiter's sleep from another thread, which needs nothing but the descriptor's number: `wake(native, fd)`. */
export class WakeUp implements Source {
  readonly fd: number;
  readonly #native: Native;
  readonly #waiter: Waiter;
  readonly #id: number;
  readonly #onWake: () => void;

  constructor(native: Native, waiter: Waiter, onWake: () => void) {
    this.#native = native;
    this.#waiter = waiter;
    this.#onWake = onWake;
    this.fd = check(native.eventfd(), 'cannot create an eventfd');
    this.#id = waiter.add(this.fd, WANT.READ, this);
  }

  onReady(): boolean {
    if (this.#native.drain(this.fd) > 0) this.#onWake();
    return false;
  }

  close(): void {
    this.#waiter.remove(this.#id);
    this.#native.close(this.fd);
  }
}

/** Wakes the thread that waits on a WakeUp's descriptor. */
export function wake(native: Native, fd: number): void {
  check(native.signal(fd), 'cannot wake the mediator');
}
