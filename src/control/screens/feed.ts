/**
 * The screens that somebody looks at. A screen is captured only while it has viewers, never twice for two of them, one
 * screen at a time, and with pauses such that all captures together take a bounded part of the mediator's time, however
 * many look. A screen on which nothing moves is looked at less often.
 */
import { reasonOf, XengtError } from '../../base/index.js';
import type { MediatorApi, Screen } from '../../mediator/api.js';
import type { Log } from '../log.js';
import { Frame } from './frame.js';

/** Someone who looks at a screen; told of a new picture, asked for nothing. */
export interface Viewer {
  changed(): void;
}

export interface FeedPace {
  /** Shortest and longest time from one capture of a screen to the next, ms. */
  readonly shortestMs: number;
  readonly longestMs: number;
  /** A capture is followed by a pause of as many times its own length. */
  readonly pause: number;
}

const PACE: FeedPace = { shortestMs: 40, longestMs: 240, pause: 3 };
const SLOWER = 1.5;
const GONE: ReadonlySet<string> = new Set(['XENGT_E_NOT_FOUND', 'XENGT_E_UNAVAILABLE']);

export class Feed {
  readonly frame = new Frame();
  readonly viewers = new Set<Viewer>();
  /** Time between captures now, ms. */
  every = 0;
  due = 0;
}

export class Screens {
  readonly #mediator: MediatorApi;
  readonly #log: Log;
  readonly #pace: FeedPace;
  readonly #feeds = new Map<number, Feed>();
  #timer: NodeJS.Timeout | null = null;
  #capturing = false;
  #notBefore = 0;
  #closed = false;

  constructor(mediator: MediatorApi, log: Log, pace: FeedPace = PACE) {
    this.#mediator = mediator;
    this.#log = log;
    this.#pace = pace;
  }

  /** Screens that are captured now. */
  get watched(): number {
    return this.#feeds.size;
  }

  /** The screen of a vGPU for `viewer`, which hears of each new picture until it leaves. */
  join(id: number, viewer: Viewer): Frame {
    let feed = this.#feeds.get(id);
    if (feed === undefined) {
      feed = new Feed();
      feed.every = this.#pace.shortestMs;
      this.#feeds.set(id, feed);
    }
    feed.viewers.add(viewer);
    // Whoever comes wants to see now, also where nothing moves.
    feed.due = 0;
    this.#schedule();
    return feed.frame;
  }

  leave(id: number, viewer: Viewer): void {
    const feed = this.#feeds.get(id);
    if (feed === undefined) return;
    feed.viewers.delete(viewer);
    if (feed.viewers.size === 0) this.#feeds.delete(id);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#feeds.clear();
  }

  #schedule(): void {
    if (this.#capturing || this.#closed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    let due = Number.POSITIVE_INFINITY;
    for (const feed of this.#feeds.values()) due = Math.min(due, feed.due);
    if (due === Number.POSITIVE_INFINITY) return;
    const wait = Math.max(due, this.#notBefore) - performance.now();
    this.#timer = setTimeout(() => void this.#next(), Math.max(0, wait));
    this.#timer.unref();
  }

  async #next(): Promise<void> {
    this.#timer = null;
    const first = [...this.#feeds].sort(([, one], [, other]) => one.due - other.due)[0];
    if (first === undefined) return;
    this.#capturing = true;
    const began = performance.now();
    try {
      await this.#capture(...first);
    } finally {
      this.#capturing = false;
      const now = performance.now();
      this.#notBefore = now + this.#pace.pause * (now - began);
      this.#schedule();
    }
  }

  async #capture(id: number, feed: Feed): Promise<void> {
    const { shortestMs, longestMs } = this.#pace;
    const screen = await this.#screen(id);
    const changed = feed.frame.update(screen);
    feed.every = changed ? shortestMs : Math.min(longestMs, feed.every * SLOWER);
    feed.due = performance.now() + feed.every;
    if (!changed || this.#closed) return;
    for (const viewer of [...feed.viewers]) viewer.changed();
  }

  async #screen(id: number): Promise<Screen | null> {
    try {
      return await this.#mediator.screen(id);
    } catch (error) {
      // A vGPU that was removed shows nothing, nor does a mediator that stops; both are told elsewhere.
      const gone = error instanceof XengtError && GONE.has(error.code);
      if (!gone) this.#log.error(`The screen of vGPU ${id} cannot be read: ${reasonOf(error)}`);
      return null;
    }
  }
}
