/**
 * A guest that is a journal: plays recorded traps and memory into a vGPU. Two ways: `verify` takes the recorded times and
 * compares every answer; `pump` plays in step with a running clock, beside other guests, waiting where the recorded guest
 * waited for interrupts.
 */
import { type GuestMemory, NS_PER_MS, type VirtualClock } from '../../base/index.js';
import type { GuestPort, Space, TrapSink } from '../port.js';
import { type JournalReader, REC } from './journal.js';
import { SparseMemory } from './sparse-memory.js';

export interface ReplayReport {
  readonly events: number;
  readonly answers: number;
  readonly differing: number;
  /** The first difference, in words. */
  readonly first: string | null;
  /** Time that the recorded guest took, ns. */
  readonly recordedNs: number;
  readonly interruptsRecorded: number;
  readonly interruptsReplayed: number;
}

/** Longest that a paced replay waits for an interrupt that the recording had, ns. */
const PATIENCE_NS = 2000 * NS_PER_MS;
/** Records per pump, so that a replayed guest cannot keep the mediator from the others. */
const BATCH = 2048;

export class ReplayGuest implements GuestPort {
  readonly memory: GuestMemory;
  readonly canTrackWrites = false;
  readonly #memory: SparseMemory;
  /** Interrupts that the mediator sent, and that the journal had, up to here. */
  interrupts = 0;
  #expected = 0;
  /** Journal time of the next record, and the clock's time of journal time 0. */
  #time = 0;
  #origin = -1;
  #waitingSince = -1;
  failed: string | null = null;

  constructor(
    readonly journal: JournalReader,
    frameBase: number,
  ) {
    this.#memory = new SparseMemory(frameBase);
    this.memory = this.#memory;
  }

  injectMsi(): void {
    this.interrupts++;
  }
  setIntx(asserted: boolean): void {
    if (asserted) this.interrupts++;
  }
  fail(reason: string): void {
    this.failed = reason;
  }
  trackWrites(): boolean {
    return false;
  }

  /** Plays the whole journal on a virtual clock, comparing. `advance` is called where the recorded mediator worked. */
  verify(sink: TrapSink, clock: VirtualClock, advance: () => void): ReplayReport {
    const { journal } = this;
    this.#time = journal.header.startNs;
    let events = 0;
    let answers = 0;
    let differing = 0;
    let first: string | null = null;
    const compare = (what: string, got: string, recorded: string): void => {
      answers++;
      if (got === recorded) return;
      differing++;
      first ??= `event ${events}: ${what} answered ${got}, recorded ${recorded}`;
    };
    while (journal.next()) {
      if (this.#memoryRecord()) continue;
      switch (journal.tag) {
        case REC.TIME:
          this.#time += journal.value;
          clock.set(this.#time);
          continue;
        case REC.INTERRUPT:
          this.#expected++;
          continue;
        case REC.READ: {
          const lo = sink.read(journal.space as Space, journal.offset, journal.width) >>> 0;
          const hi = journal.width === 8 ? sink.readHi >>> 0 : 0;
          answers++;
          if (lo !== journal.lo || hi !== journal.hi) {
            answers--;
            compare(
              `read of ${journal.space}:0x${journal.offset.toString(16)}`,
              hex(lo, hi),
              hex(journal.lo, journal.hi),
            );
          }
          break;
        }
        case REC.CONFIG_BLOCK: {
          const into = new Uint8Array(journal.data.length);
          sink.readConfigBlock(journal.offset, into);
          compare('configuration block', Buffer.from(into).toString('hex'), Buffer.from(journal.data).toString('hex'));
          break;
        }
        case REC.ADVANCE:
          advance();
          break;
        default:
          this.#write(sink);
      }
      events++;
    }
    if (this.interrupts !== this.#expected) {
      compare('the whole journal', `${this.interrupts} interrupts`, `${this.#expected} interrupts`);
    }
    return {
      events,
      answers,
      differing,
      first,
      recordedNs: this.#time - journal.header.startNs,
      interruptsRecorded: this.#expected,
      interruptsReplayed: this.interrupts,
    };
  }

  /** Plays what is due at `now`. @returns false when the journal is at its end */
  pump(sink: TrapSink, now: number): boolean {
    const { journal } = this;
    if (this.#origin < 0) this.#origin = now;
    for (let i = 0; i < BATCH; i++) {
      if (this.#origin + this.#time > now) return true;
      // Behind the recording with interrupts: the recorded guest had been told something that this one has not yet.
      if (this.interrupts < this.#expected) {
        if (this.#waitingSince < 0) this.#waitingSince = now;
        if (now - this.#waitingSince < PATIENCE_NS) return true;
        this.interrupts = this.#expected;
      }
      if (this.#waitingSince >= 0) {
        this.#origin += now - this.#waitingSince;
        this.#waitingSince = -1;
      }
      if (!journal.next()) return false;
      if (this.#memoryRecord()) continue;
      if (journal.tag === REC.TIME) this.#time += journal.value;
      else if (journal.tag === REC.INTERRUPT) this.#expected++;
      else if (journal.tag === REC.READ) sink.read(journal.space as Space, journal.offset, journal.width);
      else if (journal.tag === REC.CONFIG_BLOCK)
        sink.readConfigBlock(journal.offset, new Uint8Array(journal.data.length));
      else if (journal.tag !== REC.ADVANCE) this.#write(sink);
    }
    return true;
  }

  /** When pump() has something to do, ns. */
  nextDue(now: number): number {
    if (this.#origin < 0) return now;
    if (this.interrupts < this.#expected) return this.#waitingSince < 0 ? now : this.#waitingSince + PATIENCE_NS;
    return this.#origin + this.#time;
  }

  /** Back to the start of the journal, with empty memory. */
  rewind(): void {
    this.journal.rewind();
    this.#memory.clear();
    this.interrupts = 0;
    this.#expected = 0;
    this.#time = 0;
    this.#origin = -1;
    this.#waitingSince = -1;
  }

  #memoryRecord(): boolean {
    const { journal } = this;
    switch (journal.tag) {
      case REC.MAP:
        this.#memory.map(journal.gfn, journal.value);
        return true;
      case REC.UNMAP:
        this.#memory.unmap(journal.gfn, journal.value);
        return true;
      case REC.PAGE_ZERO:
      case REC.PAGE_FULL:
      case REC.PAGE_DELTA: {
        const at = this.#memory.locate(journal.gfn);
        if (at < 0) return true;
        const { words } = this.#memory;
        if (journal.tag === REC.PAGE_ZERO) words.fill(0, at, at + 1024);
        else if (journal.tag === REC.PAGE_DELTA) journal.applyDelta(words, at);
        else new Uint8Array(words.buffer, words.byteOffset + 4 * at, journal.data.length).set(journal.data);
        return true;
      }
      default:
        return false;
    }
  }

  #write(sink: TrapSink): void {
    const { journal } = this;
    if (journal.tag === REC.WRITE) {
      sink.write(journal.space as Space, journal.offset, journal.width, journal.lo, journal.hi);
    } else if (journal.tag === REC.RESET) {
      sink.reset();
    }
  }
}

function hex(lo: number, hi: number): string {
  return hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}_${lo.toString(16).padStart(8, '0')}`;
}
