/**
 * The interrupt tree of one vGPU: events set IIR bits, the master register summarises them, and an MSI goes to the guest
 * when the master is enabled and anything is pending. All state is in the register bank.
 */
import {
  CONTEXT_SWITCH,
  DISPLAY_EVENTS,
  type DisplayEventName,
  type ENGINE_EVENTS,
  type EngineId,
  engineEvents,
  GEN7_MASTER_IER,
  GEN7_PCH_EVENT,
  GROUP,
  INTERRUPT_GROUPS,
  IRQ_IER,
  IRQ_IIR,
  IRQ_IMR,
  MASTER_ENABLE,
  MASTER_IRQ,
  type Platform,
} from '../hw/index.js';

/** A platform's part of the table for the hot path: dword indices and masks, flat. */
interface Layout {
  readonly base: Uint32Array;
  readonly summaryGroup: readonly number[];
  readonly summaryBit: readonly number[];
  readonly summaryMask: readonly number[];
  /** Dword index of the register that holds the enable, and which of its bits the groups' summary takes. */
  readonly master: number;
  readonly summaryBits: number;
}

function layoutOf(platform: Platform): Layout {
  const rings = platform.gen === 7;
  const summaryGroup: number[] = [];
  const summaryBit: number[] = [];
  const summaryMask: number[] = [];
  INTERRUPT_GROUPS.forEach((group, index) => {
    if ((group.platforms & platform.bit) === 0) return;
    // What is pending in the PCH reaches a Haswell guest through DEIIR; the other groups raise the interrupt themselves.
    const summary = rings ? (index === GROUP.SDE ? [] : ([[0, 0xffffffff]] as const)) : group.summary;
    for (const [bit, mask] of summary) {
      summaryGroup.push(index);
      summaryBit.push(1 << bit);
      summaryMask.push(mask);
    }
  });
  const base = Uint32Array.from(INTERRUPT_GROUPS, (group) => group.base >>> 2);
  const master = (rings ? GEN7_MASTER_IER : MASTER_IRQ) >>> 2;
  return { base, summaryGroup, summaryBit, summaryMask, master, summaryBits: rings ? 0 : ~MASTER_ENABLE };
}

export class VirtualInterrupts {
  /** Interrupts sent to the guest. */
  sent = 0;
  readonly #layout: Layout;
  readonly #engineEvents: typeof ENGINE_EVENTS;
  #asserted = false;
  /** Something is pending in the PCH's group of a Haswell, which DEIIR has been told. */
  #pch = false;

  constructor(
    private readonly bank: Uint32Array,
    private readonly platform: Platform,
    private readonly deliver: (asserted: boolean) => void,
  ) {
    this.#layout = layoutOf(platform);
    this.#engineEvents = engineEvents(platform);
  }

  /** Sets pending bits of a group, those that IMR lets through, and tells the guest. */
  raise(group: number, bits: number): void {
    const base = this.#layout.base[group]!;
    const passed = bits & ~this.bank[base + IRQ_IMR / 4]!;
    if (passed === 0) return;
    this.bank[base + IRQ_IIR / 4]! |= passed;
    this.#evaluate(true);
  }

  /** GT events of an engine, bits relative to the engine's shift. */
  raiseEngine(engine: EngineId, bits: number): void {
    const { group, shift } = this.#engineEvents[engine];
    this.raise(group, bits << shift);
  }

  raiseContextSwitch(engine: EngineId): void {
    this.raiseEngine(engine, 1 << CONTEXT_SWITCH);
  }

  raiseDisplay(name: DisplayEventName, pipe = 0): void {
    for (const event of DISPLAY_EVENTS[name]) {
      if ((event.platforms & this.platform.bit) === 0) continue;
      const group = event.group === GROUP.PIPE_A ? GROUP.PIPE_A + pipe : event.group;
      this.raise(group, 1 << (event.bit + pipe * event.pipeStride));
    }
  }

  /** A guest wrote IMR or IER: what is pending may now reach it. */
  changed(): void {
    this.#evaluate(false);
  }

  /** A guest wrote IIR: its ones are cleared. */
  acknowledge(index: number, value: number): void {
    this.bank[index]! &= ~value;
    this.#evaluate(false);
  }

  /** A guest wrote the master register: only the enable bit is its own. */
  writeMaster(value: number): void {
    const { master } = this.#layout;
    this.bank[master] = ((this.bank[master]! & ~MASTER_ENABLE) | (value & MASTER_ENABLE)) >>> 0;
    this.#evaluate(false);
  }

  /** After a reset of the registers. */
  reset(): void {
    this.#asserted = false;
    this.#pch = false;
    this.#evaluate(false);
  }

  #evaluate(fresh: boolean): void {
    const { bank } = this;
    const { base, summaryGroup, summaryBit, summaryMask, master, summaryBits } = this.#layout;
    if (summaryBits === 0) this.#pchEvent();
    let summary = 0;
    for (let i = 0; i < summaryGroup.length; i++) {
      const at = base[summaryGroup[i]!]!;
      if ((bank[at + IRQ_IIR / 4]! & bank[at + IRQ_IER / 4]! & summaryMask[i]!) !== 0) summary |= summaryBit[i]!;
    }
    const enable = bank[master]! & MASTER_ENABLE;
    bank[master] = ((bank[master]! & ~summaryBits) | (summary & summaryBits)) >>> 0;
    const asserted = enable !== 0 && summary !== 0;
    // An edge, or a fresh event while the line is up: the second costs the guest one empty look at most and can not be
    // lost to a handler that has read the master register already.
    if (asserted && (fresh || !this.#asserted)) {
      this.sent++;
      this.deliver(true);
    } else if (!asserted && this.#asserted) {
      this.deliver(false);
    }
    this.#asserted = asserted;
  }

  /** Haswell: an edge of what is pending and enabled in the PCH sets its bit in DEIIR. */
  #pchEvent(): void {
    const { bank } = this;
    const { base } = this.#layout;
    const south = base[GROUP.SDE]!;
    const pending = (bank[south + IRQ_IIR / 4]! & bank[south + IRQ_IER / 4]!) !== 0;
    const north = base[GROUP.DE7]!;
    if (pending && !this.#pch) bank[north + IRQ_IIR / 4]! |= GEN7_PCH_EVENT & ~bank[north + IRQ_IMR / 4]!;
    this.#pch = pending;
  }
}
