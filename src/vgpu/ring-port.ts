/**
 * One engine's ring as a Haswell guest sees it: it writes commands behind the tail, and a tail that moves submits them. One
 * piece of the ring is with the arbiter at a time; what was added meanwhile is the next piece. The head follows when a piece is done.
 * Source: PRM HSW Vol 2c RING_BUFFER_*; public i915 gt/intel_ring_submission.c.
 */
import {
  CCID,
  ENGINES,
  type EngineId,
  MODE_IDLE,
  RCS,
  RING,
  RING_CTL_SIZE,
  RING_CTL_VALID,
  STOP_RING,
} from '../hw/index.js';
import type { Workload } from '../scheduler/index.js';

/** What the port needs from its vGPU. */
export interface RingHost {
  readonly bank: Uint32Array;
  submit(workload: Omit<Workload, 'vgpu'>): void;
}

const OFFSET = 0x1ffffc;
const PAGE = 0x1000;

export class RingPort {
  readonly #base: number;
  #tag = 0;
  /** The piece that is with the arbiter, 0: none; and where it ends. */
  #outstanding = 0;
  #end = 0;

  constructor(
    private readonly host: RingHost,
    readonly engine: EngineId,
  ) {
    this.#base = ENGINES[engine]!.mmioBase >>> 2;
  }

  get idle(): boolean {
    return this.#outstanding === 0;
  }

  /** A ring takes what fits into it. */
  get full(): boolean {
    return false;
  }

  /** As after an engine reset: off, and empty. */
  reset(): void {
    this.#outstanding = 0;
    for (const register of [RING.TAIL, RING.HEAD, RING.START, RING.CTL]) this.#set(register, 0);
    this.#set(RING.MI_MODE, MODE_IDLE);
    if (this.engine === RCS) this.host.bank[CCID >>> 2] = 0;
  }

  writeTail(value: number): void {
    this.#set(RING.TAIL, value & OFFSET);
    this.#hand();
  }

  /** What runs when a ring is told to stop still ends, as a piece is with the arbiter as a whole. */
  writeMode(value: number): void {
    const mask = (value >>> 16) & ~MODE_IDLE;
    this.#set(RING.MI_MODE, (this.#get(RING.MI_MODE) & ~mask) | (value & mask));
    this.#hand();
  }

  /** The arbiter ended a piece. Only completion moves the guest on: of a hang its own driver takes care. */
  done(tag: number, complete: boolean): void {
    if (tag !== this.#outstanding || !complete) return;
    this.#outstanding = 0;
    this.#set(RING.MI_MODE, this.#get(RING.MI_MODE) | MODE_IDLE);
    this.#set(RING.HEAD, this.#end);
    this.#hand();
  }

  #get(register: number): number {
    return this.host.bank[this.#base + register / 4]!;
  }

  #set(register: number, value: number): void {
    this.host.bank[this.#base + register / 4] = value;
  }

  #hand(): void {
    const control = this.#get(RING.CTL);
    const mode = this.#get(RING.MI_MODE);
    if (this.#outstanding !== 0 || (control & RING_CTL_VALID) === 0 || (mode & STOP_RING) !== 0) return;
    const bytes = (control & RING_CTL_SIZE) + PAGE;
    const head = (this.#get(RING.HEAD) & OFFSET) % bytes;
    const tail = this.#get(RING.TAIL) % bytes;
    if (head === tail) return;
    this.#set(RING.MI_MODE, mode & ~MODE_IDLE);
    this.#outstanding = ++this.#tag;
    this.#end = tail;
    const ring = { start: (this.#get(RING.START) & ~0xfff) >>> 0, bytes };
    this.host.submit({ engine: this.engine, tag: this.#tag, lrca: 0, levels: 3, head, tail, ring });
  }
}
