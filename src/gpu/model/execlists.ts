/**
 * Submission of one engine: the ELSP port, the list that runs and the one that waits, and the context status buffer that
 * reports what became of them. Source: PRM BDW Vol 7 "Execution List Submission", "Context Status".
 */
import { PAGE_DWORDS } from '../../base/index.js';
import {
  CONTEXT_SWITCH,
  CSB_ENTRIES,
  CSB_NOTHING_WRITTEN,
  DESC,
  type EngineRow,
  engineEvents,
  HWSP_CSB,
  HWSP_CSB_WRITE,
  RING,
  RUN_LIST_ENABLE,
} from '../../hw/index.js';
import type { Device } from './device.js';

export class Execlists {
  /** Descriptors of the list that runs. */
  readonly lo = new Uint32Array(2);
  readonly hi = new Uint32Array(2);
  /** Which of the two elements runs. */
  element = 0;
  running = false;
  pending = false;
  readonly #pendingLo = new Uint32Array(2);
  readonly #pendingHi = new Uint32Array(2);
  readonly #port = new Uint32Array(4);
  #written = 0;
  /** Which of the hardware's two list slots runs. */
  #slot = 0;
  #lastReason = 0;

  readonly #device: Device;
  readonly #row: EngineRow;

  /** @param doorbell called when a new list waits */
  constructor(device: Device, row: EngineRow, doorbell: () => void) {
    this.#device = device;
    this.#row = row;
    const { registers } = device;
    const base = row.mmioBase;
    registers.onWrite(base + RING.ELSP, (_offset, value) => {
      this.#port[this.#written++] = value;
      if (this.#written < 4) return;
      this.#written = 0;
      if (this.#accept()) doorbell();
    });
    registers.onRead(base + RING.EXECLIST_STATUS_LO, () => this.#statusLo());
    registers.onRead(base + RING.EXECLIST_STATUS_HI, () => (this.running ? this.hi[this.element]! : 0));
    const readOnly = (): void => {};
    registers.onWrite(base + RING.EXECLIST_STATUS_LO, readOnly);
    registers.onWrite(base + RING.EXECLIST_STATUS_HI, readOnly);
    registers.onWrite(base + RING.CONTEXT_STATUS_PTR, (offset, value) => registers.mergeMasked(offset, value));
    this.reset();
  }

  reset(): void {
    this.running = false;
    this.pending = false;
    this.element = 0;
    this.#written = 0;
    this.#slot = 0;
    this.#lastReason = 0;
    this.#device.registers.set(this.#row.mmioBase + RING.CONTEXT_STATUS_PTR, CSB_NOTHING_WRITTEN);
  }

  /** Whether the list that waits starts with the context that runs. */
  get pendingContinues(): boolean {
    return (
      this.running &&
      ((this.#pendingLo[0]! ^ this.lo[this.element]!) & DESC.LRCA_MASK) === 0 &&
      this.#pendingHi[0] === this.hi[this.element]
    );
  }

  /** The list that waits becomes the one that runs, its first element active. */
  adopt(): void {
    this.lo.set(this.#pendingLo);
    this.hi.set(this.#pendingHi);
    this.element = 0;
    this.#slot ^= 1;
    this.pending = false;
    this.running = true;
  }

  /** Whether an element follows the active one. */
  get hasNext(): boolean {
    return this.element === 0 && (this.lo[1]! & DESC.VALID) !== 0;
  }

  get contextId(): number {
    return this.hi[this.element]!;
  }

  /** Writes a status entry, then its index, to the registers and the status page, and raises the context-switch event. */
  report(event: number, contextId: number): void {
    const { registers } = this.#device;
    const base = this.#row.mmioBase;
    const pointer = registers.get(base + RING.CONTEXT_STATUS_PTR);
    const last = pointer & 7;
    const index = last >= CSB_ENTRIES - 1 ? 0 : last + 1;
    registers.set(base + RING.CONTEXT_STATUS_BUF + index * 8, event);
    registers.set(base + RING.CONTEXT_STATUS_BUF + index * 8 + 4, contextId);
    registers.set(base + RING.CONTEXT_STATUS_PTR, (pointer & ~7) | index);
    this.#lastReason = event & 0x1ff;
    const at = this.#statusPage();
    if (at >= 0) {
      const { words } = this.#device.memory;
      words[at + HWSP_CSB + index * 2] = event;
      words[at + HWSP_CSB + index * 2 + 1] = contextId;
      words[at + HWSP_CSB_WRITE] = index;
    }
    raiseFromEngine(this.#device, this.#row, CONTEXT_SWITCH);
  }

  /** The engine's status page belongs to whoever drives the device, so no context's rights apply to it. */
  #statusPage(): number {
    const { registers, ggtt, memory } = this.#device;
    const mfn = ggtt.frame(registers.get(this.#row.mmioBase + RING.HWS_PGA) >>> 12);
    const at = mfn < 0 ? -1 : memory.locate(mfn);
    return at < 0 || at + PAGE_DWORDS > memory.words.length ? -1 : at;
  }

  #accept(): boolean {
    const lo0 = this.#port[3]!;
    const enabled = (this.#device.registers.get(this.#row.mmioBase + RING.MODE) & RUN_LIST_ENABLE) !== 0;
    if (!enabled || (lo0 & DESC.VALID) === 0) {
      this.#device.counters.refusedSubmissions++;
      return false;
    }
    this.#pendingLo[0] = lo0;
    this.#pendingHi[0] = this.#port[2]!;
    this.#pendingLo[1] = this.#port[1]!;
    this.#pendingHi[1] = this.#port[0]!;
    this.pending = true;
    return true;
  }

  #statusLo(): number {
    const queueFull = this.pending ? 1 << 2 : 0;
    const reason = this.#lastReason << 5;
    const arbitration = 1 << 16;
    if (!this.running) return this.#slot | ((this.#slot ^ 1) << 1) | queueFull | reason | arbitration;
    const valid = this.#slot === 0 ? 1 << 4 : 1 << 3;
    const active = this.#slot === 0 ? 1 << 18 : 1 << 17;
    const element = this.element === 0 ? 1 << 14 : 2 << 14;
    return this.#slot | ((this.#slot ^ 1) << 1) | queueFull | valid | reason | element | arbitration | active;
  }
}

/** Raises an engine's event unless the engine's own mask holds it back; the mask's bits stand where the group's do. */
export function raiseFromEngine(device: Device, row: EngineRow, bit: number): void {
  if (
    (device.registers.get(row.mmioBase + RING.IMR) & (1 << (engineEvents(device.platform)[row.id].shift + bit))) !==
    0
  )
    return;
  device.interrupts.raiseEngine(row.id, bit);
}
