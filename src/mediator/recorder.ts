/**
 * Records one guest: a TrapSink in front of the vGPU that writes each access and its answer, and an observer of guest memory
 * that writes what a page holds when the mediator first touches it in an event. Compared with what the journal already says
 * of that page, so that only changes are written.
 */
import { type GuestMemory, PAGE_DWORDS } from '../base/index.js';
import {
  encodeDelta,
  type JournalHeader,
  JournalWriter,
  REC,
  SPACE,
  type Space,
  type TrapSink,
} from '../hypervisor/index.js';

/** Guest memory that can be watched. */
export interface WatchedMemory extends GuestMemory {
  /** Called with each frame that is located, before its contents are used. */
  onTouch: ((gfn: number) => void) | null;
  /** Changes whenever memory is mapped or unmapped. */
  readonly generation: number;
  /** RAM as [first frame, frames] pairs. */
  ram(): readonly (readonly [gfn: number, frames: number])[];
}

export class Recorder implements TrapSink {
  readHi = 0;
  readonly #journal: JournalWriter;
  readonly #known = new Map<number, Uint32Array>();
  /** Frames looked at in the current event. */
  readonly #touched = new Set<number>();
  #generation = -1;
  #ranges: (readonly [number, number])[] = [];
  #time: number;
  #open = true;
  #wasBusy = false;
  readonly #run = { offset: 0, bytes: 0, lo: 0, hi: 0, count: 0 };

  constructor(
    path: string,
    header: JournalHeader,
    private readonly sink: TrapSink,
    private readonly memory: WatchedMemory,
    private readonly now: () => number,
    /** Whether the guest has work submitted. */
    private readonly busy: () => boolean,
  ) {
    this.#journal = new JournalWriter(path, header);
    this.#time = now();
    memory.onTouch = (gfn) => this.#touch(gfn);
  }

  read(space: Space, offset: number, bytes: number): number {
    this.#begin();
    const lo = this.sink.read(space, offset, bytes) >>> 0;
    this.readHi = this.sink.readHi;
    this.#access(REC.READ, space, offset, bytes, lo, this.readHi);
    return lo;
  }

  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    this.#begin();
    this.sink.write(space, offset, bytes, lo, hi);
    if (space !== SPACE.BAR2) {
      this.#access(REC.WRITE, space, offset, bytes, lo, hi);
      this.#noteIdle();
      return;
    }
    const run = this.#run;
    const next = run.offset + run.count * run.bytes;
    if (run.count === 0 || offset !== next || bytes !== run.bytes || lo !== run.lo || hi !== run.hi) {
      this.#endRun();
      run.offset = offset;
      run.bytes = bytes;
      run.lo = lo;
      run.hi = hi;
    }
    run.count++;
  }

  /** Writes out the aperture writes that were held back to make one record of them. */
  #endRun(): void {
    const run = this.#run;
    const { count } = run;
    if (count === 0) return;
    run.count = 0;
    this.#access(count === 1 ? REC.WRITE : REC.WRITE_RUN, SPACE.BAR2, run.offset, run.bytes, run.lo, run.hi);
    if (count > 1) this.#journal.number(count);
  }

  #noteIdle(): void {
    const busy = this.busy();
    if (this.#wasBusy && !busy && this.#open) this.#tag(REC.IDLE);
    this.#wasBusy = busy;
  }

  /** Starts a record. */
  #tag(tag: number): void {
    this.#endRun();
    this.#journal.tag(tag);
  }

  readConfigBlock(offset: number, into: Uint8Array): void {
    this.#begin();
    this.sink.readConfigBlock(offset, into);
    const journal = this.#journal;
    this.#tag(REC.CONFIG_BLOCK);
    journal.number(offset);
    journal.number(into.length);
    journal.bytes(into);
  }

  reset(): void {
    this.#begin();
    this.sink.reset();
    this.#tag(REC.RESET);
  }

  /** The mediator works on its own account: completions, timers. */
  advance(work: () => void): void {
    this.#begin();
    work();
    if (!this.#open) return;
    this.#tag(REC.ADVANCE);
    this.#noteIdle();
  }

  /** Why the journal ends before its guest does, or null. */
  get failed(): string | null {
    return this.#journal.failed;
  }

  /** An interrupt went to the guest. */
  interrupt(): void {
    if (this.#open) this.#tag(REC.INTERRUPT);
  }

  close(): void {
    if (!this.#open) return;
    this.#endRun();
    this.#open = false;
    this.memory.onTouch = null;
    this.#journal.close();
  }

  #begin(): void {
    if (!this.#open) return;
    this.#touched.clear();
    const now = this.now();
    if (now !== this.#time) {
      this.#tag(REC.TIME);
      this.#journal.number(now - this.#time);
      this.#time = now;
    }
    if (this.memory.generation !== this.#generation) this.#mapped();
  }

  /** Memory was mapped or unmapped since the last event: writes the difference. */
  #mapped(): void {
    this.#generation = this.memory.generation;
    const ranges = this.memory.ram().map(([gfn, count]) => [gfn, count] as const);
    const has = (list: readonly (readonly [number, number])[], range: readonly [number, number]): boolean =>
      list.some(([gfn, count]) => gfn === range[0] && count === range[1]);
    for (const range of this.#ranges) if (!has(ranges, range)) this.#range(REC.UNMAP, range);
    for (const range of ranges) if (!has(this.#ranges, range)) this.#range(REC.MAP, range);
    for (const gfn of this.#known.keys()) {
      if (!ranges.some(([first, count]) => gfn >= first && gfn < first + count)) this.#known.delete(gfn);
    }
    this.#ranges = ranges;
  }

  #range(tag: number, [gfn, count]: readonly [number, number]): void {
    this.#tag(tag);
    this.#journal.number(gfn);
    this.#journal.number(count);
  }

  #touch(gfn: number): void {
    if (!this.#open || this.#touched.has(gfn)) return;
    this.#touched.add(gfn);
    const { memory } = this;
    memory.onTouch = null;
    const at = memory.locate(gfn);
    memory.onTouch = (next) => this.#touch(next);
    if (at < 0) return;
    let known = this.#known.get(gfn);
    if (!known) {
      known = new Uint32Array(PAGE_DWORDS);
      this.#known.set(gfn, known);
    }
    const delta = encodeDelta(known, memory.words, at);
    if (delta.length === 0) return;
    const journal = this.#journal;
    this.#tag(REC.PAGE_DELTA);
    journal.number(gfn);
    journal.number(delta.length);
    journal.bytes(delta);
  }

  #access(tag: number, space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    if (!this.#open) return;
    const journal = this.#journal;
    this.#tag(tag);
    journal.bytes(Uint8Array.of((space << 4) | bytes));
    journal.number(offset);
    journal.number(lo >>> 0);
    if (bytes === 8) journal.number(hi >>> 0);
  }
}
