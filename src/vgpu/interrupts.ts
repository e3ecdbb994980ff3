/**
 * The interrupt tree of one vGPU: events set IIR bits, the master register summarises them, and an MSI goes to the guest
 * when the master is enabled and anything is pending. All state is in the register bank.
 */
import {
  CONTEXT_SWITCH,
  DISPLAY_EVENTS,
  type DisplayEventName,
  ENGINE_EVENTS,
  type EngineId,
  GROUP,
  INTERRUPT_GROUPS,
  IRQ_IER,
  IRQ_IIR,
  IRQ_IMR,
  MASTER_ENABLE,
  MASTER_IRQ,
  type Platform,
} from '../hw/index.js';

const MASTER = MASTER_IRQ >>> 2;

/** Flat copies of the table for the hot path: dword indices and masks. */
const GROUP_BASE = Uint32Array.from(INTERRUPT_GROUPS, (group) => group.base >>> 2);
const SUMMARY_GROUP: number[] = [];
const SUMMARY_BIT: number[] = [];
const SUMMARY_MASK: number[] = [];
INTERRUPT_GROUPS.forEach((group, index) => {
  for (const [bit, mask] of group.summary) {
    SUMMARY_GROUP.push(index);
    SUMMARY_BIT.push(1 << bit);
    SUMMARY_MASK.push(mask);
  }
});

export class VirtualInterrupts {
  /** Interrupts sent to the guest. */
  sent = 0;
  #asserted = false;

  constructor(
    private readonly bank: Uint32Array,
    private readonly platform: Platform,
    private readonly deliver: (asserted: boolean) => void,
  ) {}

  /** Sets pending bits of a group, those that IMR lets through, and tells the guest. */
  raise(group: number, bits: number): void {
    const base = GROUP_BASE[group]!;
    const passed = bits & ~this.bank[base + IRQ_IMR / 4]!;
    if (passed === 0) return;
    this.bank[base + IRQ_IIR / 4]! |= passed;
    this.#evaluate(true);
  }

  /** GT events of an engine, bits relative to the engine's shift. */
  raiseEngine(engine: EngineId, bits: number): void {
    const { group, shift } = ENGINE_EVENTS[engine];
    this.raise(group, bits << shift);
  }

  raiseContextSwitch(engine: EngineId): void {
    this.raiseEngine(engine, 1 << CONTEXT_SWITCH);
  }

  raiseDisplay(name: DisplayEventName, pipe = 0): void {
    for (const event of DISPLAY_EVENTS[name]) {
      if ((event.platforms & this.platform.bit) === 0) continue;
      this.raise(event.group === GROUP.PIPE_A ? GROUP.PIPE_A + pipe : event.group, 1 << event.bit);
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
    this.bank[MASTER] = ((this.bank[MASTER]! & ~MASTER_ENABLE) | (value & MASTER_ENABLE)) >>> 0;
    this.#evaluate(false);
  }

  /** After a reset of the registers. */
  reset(): void {
    this.#asserted = false;
    this.#evaluate(false);
  }

  #evaluate(fresh: boolean): void {
    const { bank } = this;
    let summary = 0;
    for (let i = 0; i < SUMMARY_GROUP.length; i++) {
      const base = GROUP_BASE[SUMMARY_GROUP[i]!]!;
      if ((bank[base + IRQ_IIR / 4]! & bank[base + IRQ_IER / 4]! & SUMMARY_MASK[i]!) !== 0) summary |= SUMMARY_BIT[i]!;
    }
    const enable = bank[MASTER]! & MASTER_ENABLE;
    bank[MASTER] = (enable | summary) >>> 0;
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
}
