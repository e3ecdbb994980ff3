/**
 * A guest that is a journal: plays recorded traps and memory into a vGPU. Two ways: `verify` takes the recorded times and
 * compares every answer; `pump` plays in step with a running clock, beside other guests.
 */
import { type GuestMemory, NS_PER_MS, type VirtualClock } from '../../base/index.js';
import { ENGINES, RING } from '../../hw/index.js';
import { type GuestPort, SPACE, type Space, type TrapSink } from '../port.js';
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

/**
 * Longest that a doorbell waits for the work before it, ns: a recorded guest need not have waited. On a machine that is busy with
 * other things, the device may not get to that work for a good part of a second, and the guest's memory must not move on meanwhile.
 */
const PATIENCE_NS = 1000 * NS_PER_MS;
/** A paced replay shortens the time in which its guest did nothing (firmware, boot), and lingers at its end. */
const LONGEST_GAP_NS = 200 * NS_PER_MS;
const LINGER_NS = 4000 * NS_PER_MS;
/** Records per pump, so that a replayed guest cannot keep the mediator from the others. */
const BATCH = 2048;

function isMemory(tag: number): boolean {
  return tag === REC.MAP || tag === REC.UNMAP || tag === REC.PAGE_DELTA;
}

const ELSP_OFFSETS = new Set(ENGINES.map((engine) => engine.mmioBase + RING.ELSP));
const ELSP_WRITES = 4;

/** Finds the accesses that start work: every fourth write to an engine's ELSP. */
class Doorbell {
  readonly #writes = new Map<number, number>();

  rings(record: JournalReader): boolean {
    if (record.tag !== REC.WRITE || record.space !== SPACE.BAR0 || !ELSP_OFFSETS.has(record.offset)) return false;
    const writes = ((this.#writes.get(record.offset) ?? 0) + 1) % ELSP_WRITES;
    this.#writes.set(record.offset, writes);
    return writes === 0;
  }
}

/** The vGPU of a paced replay: also tells whether it would take more work now. */
export interface ReplaySink extends TrapSink {
  /** Work of this guest is submitted and not done. */
  readonly busy: boolean;
  /** The engine whose ELSP is at `offset` takes no further submission now. */
  queueFull(offset: number): boolean;
}

export class ReplayGuest implements GuestPort {
  readonly memory: GuestMemory;
  readonly canTrackWrites = false;
  readonly #memory: SparseMemory;
  /** Interrupts that the mediator sent. */
  interrupts = 0;
  #doorbell = new Doorbell();
  /** The recorded guest has work submitted, and its memory was played ahead. */
  #burst = false;
  /** The current record is a doorbell that waits. */
  #held = false;
  #heldSince = 0;
  #ended = false;
  /** Journal time of the next record, and the clock's time of journal time 0. */
  #time = 0;
  #origin = -1;
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
    let expected = 0;
    let first: string | null = null;
    const compare = (what: string, got: string, recorded: string): void => {
      answers++;
      if (got === recorded) return;
      differing++;
      first ??= `event ${events}: ${what} answered ${got}, recorded ${recorded}`;
    };
    while (journal.next()) {
      if (isMemory(journal.tag)) {
        this.#applyMemory(journal);
        continue;
      }
      switch (journal.tag) {
        case REC.TIME:
          this.#time += journal.value;
          clock.set(this.#time);
          continue;
        case REC.INTERRUPT:
          expected++;
          continue;
        case REC.IDLE:
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
          events += this.#write(sink) - 1;
      }
      events++;
    }
    if (this.interrupts !== expected) {
      compare('the whole journal', `${this.interrupts} interrupts`, `${expected} interrupts`);
    }
    return {
      events,
      answers,
      differing,
      first,
      recordedNs: this.#time - journal.header.startNs,
      interruptsRecorded: expected,
      interruptsReplayed: this.interrupts,
    };
  }

  /**
   * Plays what is due at `now`.
   *
   * The journal says what memory held when the recorded mediator looked, which is up to the end of the work that a doorbell
   * started. This mediator may look earlier. So a doorbell that found the recorded guest idle waits until this one is, and
   * then memory is played ahead to where the recorded guest was idle again.
   * @returns false when the journal is at its end
   */
  pump(sink: ReplaySink, now: number): boolean {
    const { journal } = this;
    if (this.#origin < 0) this.#origin = now;
    for (let i = 0; i < BATCH; i++) {
      if (this.#origin + this.#time > now) return true;
      if (this.#held) {
        const wait = this.#burst ? sink.queueFull(journal.offset) : sink.busy;
        if (wait && now - this.#heldSince < PATIENCE_NS) return true;
        this.#held = false;
        this.#origin += now - this.#heldSince;
        this.#write(sink);
        if (!this.#burst) this.#playBurst();
        this.#burst = true;
        continue;
      }
      if (this.#ended) return false;
      if (!journal.next()) {
        // The guest stands still for a while, with what it shows last, before it starts again.
        this.#ended = true;
        this.#time += LINGER_NS;
        continue;
      }
      const { tag } = journal;
      if (isMemory(tag)) {
        if (!this.#burst) this.#applyMemory(journal);
      } else if (tag === REC.TIME) this.#time += Math.min(journal.value, LONGEST_GAP_NS);
      else if (tag === REC.READ) sink.read(journal.space as Space, journal.offset, journal.width);
      else if (tag === REC.CONFIG_BLOCK) sink.readConfigBlock(journal.offset, new Uint8Array(journal.data.length));
      else if (tag === REC.IDLE) this.#burst = false;
      else if (this.#doorbell.rings(journal)) {
        this.#held = true;
        this.#heldSince = now;
      } else if (tag !== REC.ADVANCE && tag !== REC.INTERRUPT) {
        this.#write(sink);
      }
    }
    return true;
  }

  /** When pump() has something to do, ns. What it waits for otherwise wakes the mediator by itself. */
  nextDue(now: number): number {
    if (this.#origin < 0) return now;
    return this.#held ? this.#heldSince + PATIENCE_NS : this.#origin + this.#time;
  }

  /** Plays the memory of a burst of work: up to where the recorded guest was idle. */
  #playBurst(): void {
    const ahead = this.journal.fork();
    while (ahead.next() && ahead.tag !== REC.IDLE) if (isMemory(ahead.tag)) this.#applyMemory(ahead);
  }

  /** Back to the start of the journal, with empty memory. */
  rewind(): void {
    this.journal.rewind();
    this.#doorbell = new Doorbell();
    this.#burst = false;
    this.#ended = false;
    this.#memory.clear();
    this.interrupts = 0;
    this.#time = 0;
    this.#origin = -1;
    this.#held = false;
  }

  #applyMemory(journal: JournalReader): void {
    const memory = this.#memory;
    if (journal.tag === REC.MAP) memory.map(journal.gfn, journal.value);
    else if (journal.tag === REC.UNMAP) memory.unmap(journal.gfn, journal.value);
    else {
      const at = memory.locate(journal.gfn);
      if (at >= 0) journal.applyDelta(memory.words, at);
    }
  }

  /** @returns number of accesses */
  #write(sink: TrapSink): number {
    const { journal } = this;
    if (journal.tag === REC.RESET) {
      sink.reset();
      return 1;
    }
    const { space, offset, width, lo, hi, value } = journal;
    for (let i = 0; i < value; i++) sink.write(space as Space, offset + i * width, width, lo, hi);
    return value;
  }
}

function hex(lo: number, hi: number): string {
  return hi === 0 ? `0x${lo.toString(16)}` : `0x${hi.toString(16)}_${lo.toString(16).padStart(8, '0')}`;
}
