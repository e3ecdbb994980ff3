/** The device's interrupt tree: an unmasked event is latched in IIR, enabled latches add up in the master register. */
import {
  type ENGINE_EVENTS,
  type EngineId,
  engineEvents,
  GEN7_MASTER_IER,
  INTERRUPT_GROUPS,
  type InterruptGroup,
  IRQ_IER,
  IRQ_IIR,
  IRQ_IMR,
  IRQ_ISR,
  MASTER_ENABLE,
  MASTER_IRQ,
  type Platform,
} from '../../hw/index.js';
import type { RegisterFile } from './registers.js';

export class InterruptTree {
  readonly #registers: RegisterFile;
  readonly #assert: () => void;
  readonly #groups: readonly InterruptGroup[];
  readonly #events: typeof ENGINE_EVENTS;
  readonly #master: number;
  #asserted = false;

  /** @param assert called each time the device's one interrupt goes from quiet to raised */
  constructor(platform: Platform, registers: RegisterFile, assert: () => void) {
    this.#registers = registers;
    this.#groups = INTERRUPT_GROUPS.filter((group) => (group.platforms & platform.bit) !== 0);
    this.#events = engineEvents(platform);
    this.#master = platform.gen === 7 ? GEN7_MASTER_IER : MASTER_IRQ;
    this.#assert = assert;
    const ignore = (): void => {};
    const store = (offset: number, value: number): void => {
      registers.set(offset, value);
      this.#evaluate();
    };
    const clear = (offset: number, value: number): void => {
      registers.set(offset, registers.get(offset) & ~value);
      this.#evaluate();
    };
    for (const { base } of this.#groups) {
      registers.set(base + IRQ_IMR, 0xffffffff);
      registers.onWrite(base + IRQ_ISR, ignore);
      registers.onWrite(base + IRQ_IMR, store);
      registers.onWrite(base + IRQ_IIR, clear);
      registers.onWrite(base + IRQ_IER, store);
    }
    // On Haswell the enable is a bit of a group's own register.
    if (platform.gen === 7) return;
    registers.onRead(MASTER_IRQ, () => (registers.get(MASTER_IRQ) | this.#summary()) >>> 0);
    registers.onWrite(MASTER_IRQ, (offset, value) => store(offset, value & MASTER_ENABLE));
  }

  /** Event `bit` of an engine: user interrupt, flush notify or context switch. The engine's own IMR has been asked already. */
  raiseEngine(engine: EngineId, bit: number): void {
    const { group, shift } = this.#events[engine];
    this.raise(group, shift + bit);
  }

  raise(group: number, bit: number): void {
    const { base } = INTERRUPT_GROUPS[group]!;
    const mask = 1 << bit;
    if ((this.#registers.get(base + IRQ_IMR) & mask) !== 0) return;
    this.#registers.set(base + IRQ_IIR, this.#registers.get(base + IRQ_IIR) | mask);
    this.#evaluate();
  }

  #summary(): number {
    let summary = 0;
    for (let i = 0; i < this.#groups.length; i++) {
      const group = this.#groups[i]!;
      const live = this.#registers.get(group.base + IRQ_IIR) & this.#registers.get(group.base + IRQ_IER);
      if (live === 0) continue;
      // Of a group that no master register summarises, anything raises the interrupt.
      if (group.summary.length === 0) summary |= 1;
      for (let j = 0; j < group.summary.length; j++) {
        const row = group.summary[j]!;
        if ((live & row[1]) !== 0) summary |= 1 << row[0];
      }
    }
    return summary;
  }

  #evaluate(): void {
    const enabled = (this.#registers.get(this.#master) & MASTER_ENABLE) !== 0;
    const raised = enabled && this.#summary() !== 0;
    const edge = raised && !this.#asserted;
    this.#asserted = raised;
    if (edge) this.#assert();
  }
}
