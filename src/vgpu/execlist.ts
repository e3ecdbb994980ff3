/**
 * One engine's submission port as its guest sees it: ELSP, the two-deep queue of submissions, the context status buffer in
 * registers and in the guest's status page, and the context-switch interrupt. What a submission contains goes to the arbiter
 * one workload at a time; its answers drive the state machine.
 *
 * Source: PRM BDW Vol 7 "Execlists" and "Context Status"; the guest's reading of it is public i915
 * intel_execlists_submission.c: each ELSP write is acknowledged by exactly one idle-to-active or preempted event, each
 * finished element by exactly one context-complete event.
 */
import { type GuestMemory, PAGE_SHIFT } from '../base/index.js';
import {
  CSB,
  CSB_ENTRIES,
  CSB_NOTHING_WRITTEN,
  CTX,
  DESC,
  ENGINES,
  type EngineId,
  HWSP_CSB,
  HWSP_CSB_WRITE,
  RING,
  RING_CTL_SIZE,
} from '../hw/index.js';
import type { Workload } from '../scheduler/index.js';

/** EXECLIST_STATUS, low half. */
const STATUS_SLOT = 1 << 0;
const STATUS_WRITE_SLOT = 1 << 1;
const STATUS_QUEUE_FULL = 1 << 2;
const STATUS_VALID = [1 << 4, 1 << 3] as const;
const STATUS_ACTIVE = [1 << 18, 1 << 17] as const;

/** What the port needs from its vGPU. */
export interface ExeclistHost {
  readonly bank: Uint32Array;
  readonly memory: GuestMemory;
  gfnOfGmadrPage(page: number): number;
  submit(workload: Omit<Workload, 'vgpu'>): void;
  contextSwitched(engine: EngineId): void;
  /** Counts a refused guest action by rule. */
  refuse(rule: string): void;
}

/**
 * A context on its way. One piece of its ring is with the arbiter at a time: while it runs, a driver may move the tail any
 * number of times, and all that came is the next piece.
 */
interface Element {
  readonly lrca: number;
  readonly id: number;
  readonly levels: 3 | 4;
  /** Ring offset up to which commands were handed to the arbiter; -1 before the first. */
  handed: number;
  /** Ring offset up to which they were submitted. */
  tail: number;
  /** Of the ring, bytes. */
  size: number;
  outstanding: boolean;
}

interface Submission {
  readonly elements: Element[];
  at: number;
}

export class ExeclistPort {
  readonly #base: number;
  readonly #elsp = [0, 0, 0, 0];
  #written = 0;
  #running: Submission | null = null;
  #pending: Submission | null = null;
  #slot = 0;
  #tag = 0;
  readonly #waiting = new Map<number, Element>();

  constructor(
    private readonly host: ExeclistHost,
    readonly engine: EngineId,
  ) {
    this.#base = ENGINES[engine]!.mmioBase >>> 2;
    this.reset();
  }

  get idle(): boolean {
    return this.#running === null;
  }

  /** A further submission would be refused, unless it continues the running context. */
  get full(): boolean {
    return this.#pending !== null;
  }

  /** Forgets all submissions and empties the status buffer, as an engine reset does. */
  reset(): void {
    this.#written = 0;
    this.#running = null;
    this.#pending = null;
    this.#waiting.clear();
    this.#slot = 0;
    this.#pointer(CSB_NOTHING_WRITTEN, 0);
    this.#status();
  }

  /** One dword of ELSP: element 1 high, element 1 low, element 0 high, element 0 low. The fourth submits. */
  writeElsp(value: number): void {
    this.#elsp[this.#written++] = value;
    if (this.#written < 4) return;
    this.#written = 0;
    const [hi1, lo1, hi0, lo0] = this.#elsp as [number, number, number, number];
    const first = this.#element(lo0, hi0);
    if (!first) {
      this.host.refuse('elsp-element0');
      return;
    }
    const elements = [first];
    if ((lo1 & DESC.VALID) !== 0) {
      const second = this.#element(lo1, hi1);
      if (!second) {
        this.host.refuse('elsp-element1');
        return;
      }
      elements.push(second);
    }
    this.#submit({ elements, at: 0 });
  }

  /** A masked write to the status buffer pointers; a driver sets both to the last entry after a reset. */
  writePointer(value: number): void {
    const mask = value >>> 16;
    const index = this.#base + RING.CONTEXT_STATUS_PTR / 4;
    this.host.bank[index] = (this.host.bank[index]! & ~mask & 0xffff) | (value & mask & 0xffff);
  }

  /** The arbiter ended a workload of this port. Only completion moves the guest on: of a hang its own driver takes care. */
  done(tag: number, complete: boolean): void {
    const element = this.#waiting.get(tag);
    this.#waiting.delete(tag);
    if (!element || !complete) return;
    element.outstanding = false;
    this.#handRest(element);
    this.#progress();
  }

  #element(lo: number, hi: number): Element | null {
    const mode = (lo >>> DESC.ADDRESSING_SHIFT) & DESC.ADDRESSING_MASK;
    const valid = (lo & DESC.VALID) !== 0 && (lo & DESC.PRIVILEGE) !== 0;
    if (!valid || (mode !== DESC.ADDRESSING_32 && mode !== DESC.ADDRESSING_64)) return null;
    const levels = mode === DESC.ADDRESSING_64 ? 4 : 3;
    return { lrca: (lo & DESC.LRCA_MASK) >>> 0, id: hi, levels, handed: -1, tail: 0, size: 0x1000, outstanding: false };
  }

  #submit(submission: Submission): void {
    const running = this.#running;
    if (!running) {
      this.#activate(submission);
      this.#progress();
      return;
    }
    const current = running.elements[running.at]!;
    const first = submission.elements[0]!;
    if (current.lrca === first.lrca && current.id === first.id) {
      // Lite restore: the same context with a new tail. What is in flight stays in flight.
      submission.elements[0] = current;
      this.#running = submission;
      this.#slot ^= 1;
      this.#event(CSB.LITE_RESTORE | CSB.PREEMPTED, current.id);
      this.#hand(current);
      this.#progress();
      return;
    }
    if (this.#pending) {
      this.host.refuse('elsp-queue-full');
      return;
    }
    this.#pending = submission;
    this.#status();
  }

  #activate(submission: Submission): void {
    this.#running = submission;
    this.#event(CSB.IDLE_TO_ACTIVE, 0);
    this.#hand(submission.elements[0]!);
  }

  /** Samples the tail of a submitted context and hands what its ring holds beyond the last hand-over to the arbiter. */
  #hand(element: Element): void {
    const { host } = this;
    const gfn = host.gfnOfGmadrPage((element.lrca >>> PAGE_SHIFT) + 1);
    const at = gfn < 0 ? -1 : host.memory.locate(gfn);
    if (at < 0) {
      // No such context: the arbiter finds the same and says so, which ends in the guest's own hang recovery.
      this.#queue(element, 0, 8);
      return;
    }
    const { words } = host.memory;
    element.size = (words[at + CTX.RING_CTL]! & RING_CTL_SIZE) + 0x1000;
    if (element.handed < 0) element.handed = words[at + CTX.RING_HEAD]! & 0x1ffffc;
    element.tail = words[at + CTX.RING_TAIL]! & 0x1ffff8;
    this.#handRest(element);
  }

  #handRest(element: Element): void {
    const { handed, tail, size } = element;
    if (element.outstanding || handed % size === tail % size) return;
    element.handed = tail;
    this.#queue(element, handed, tail);
  }

  #queue(element: Element, head: number, tail: number): void {
    element.outstanding = true;
    const tag = ++this.#tag;
    this.#waiting.set(tag, element);
    this.host.submit({ engine: this.engine, tag, lrca: element.lrca, levels: element.levels, head, tail });
  }

  #progress(): void {
    for (let running = this.#running; running; running = this.#running) {
      const element = running.elements[running.at]!;
      if (element.outstanding) return;
      const next = running.elements[running.at + 1];
      if (next) {
        running.at++;
        this.#event(CSB.COMPLETE | CSB.ELEMENT_SWITCH, element.id);
        this.#hand(next);
        continue;
      }
      const pending = this.#pending;
      this.#running = null;
      this.#pending = null;
      this.#slot ^= 1;
      this.#event(CSB.COMPLETE | CSB.ACTIVE_TO_IDLE, element.id);
      if (pending) this.#activate(pending);
    }
  }

  /** Adds an entry to the status buffer, entry first, then pointers, then the interrupt. */
  #event(status: number, id: number): void {
    const { bank, memory } = this.host;
    const pointer = bank[this.#base + RING.CONTEXT_STATUS_PTR / 4]!;
    const write = pointer & 7;
    const entry = write >= CSB_ENTRIES ? 0 : (write + 1) % CSB_ENTRIES;
    const csb = this.#base + RING.CONTEXT_STATUS_BUF / 4 + 2 * entry;
    bank[csb] = status;
    bank[csb + 1] = id;
    this.#pointer(entry, (pointer >>> 8) & 7);
    const gfn = this.host.gfnOfGmadrPage(bank[this.#base + RING.HWS_PGA / 4]! >>> PAGE_SHIFT);
    const at = gfn < 0 ? -1 : memory.locate(gfn);
    if (at >= 0) {
      memory.words[at + HWSP_CSB + 2 * entry] = status;
      memory.words[at + HWSP_CSB + 2 * entry + 1] = id;
      memory.words[at + HWSP_CSB_WRITE] = entry;
    }
    this.#status();
    this.host.contextSwitched(this.engine);
  }

  #pointer(write: number, read: number): void {
    this.host.bank[this.#base + RING.CONTEXT_STATUS_PTR / 4] = (read << 8) | write;
  }

  /** Mirrors the queue into EXECLIST_STATUS; the high half names the running context, by which i915 finds a guilty one. */
  #status(): void {
    const { bank } = this.host;
    const running = this.#running;
    let status = this.#slot === 0 ? STATUS_WRITE_SLOT : STATUS_SLOT;
    if (running) {
      for (let i = running.at; i < running.elements.length; i++) status |= STATUS_VALID[i]!;
      status |= STATUS_ACTIVE[running.at]!;
    }
    if (this.#pending) status |= STATUS_QUEUE_FULL;
    bank[this.#base + RING.EXECLIST_STATUS_LO / 4] = status;
    bank[this.#base + RING.EXECLIST_STATUS_HI / 4] = running ? running.elements[running.at]!.id : 0;
  }
}
