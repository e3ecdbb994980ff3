/** The device's GT interrupts as the arbiter takes them: switched on for good, and read engine by engine. */
import type { Gpu } from '../gpu/index.js';
import {
  CONTEXT_SWITCH,
  type ENGINE_EVENTS,
  type EngineId,
  engineEvents,
  FLUSH_NOTIFY,
  GEN7_MASTER_IER,
  INTERRUPT_GROUPS,
  IRQ_IER,
  IRQ_IIR,
  IRQ_IMR,
  MASTER_ENABLE,
  MASTER_IRQ,
  USER_INTERRUPT,
} from '../hw/index.js';

/** Events of an engine, relative to its shift. */
const ENGINE_BITS = (1 << USER_INTERRUPT) | (1 << FLUSH_NOTIFY) | (1 << CONTEXT_SWITCH);

export class DeviceInterrupts {
  /** The device has raised its interrupt since the last take(). */
  pending = false;

  readonly #events: typeof ENGINE_EVENTS;
  readonly #engineBits: number;
  readonly #master: number;

  constructor(private readonly gpu: Gpu) {
    const rings = gpu.platform.submission === 'rings';
    this.#events = engineEvents(gpu.platform);
    this.#engineBits = rings ? ENGINE_BITS & ~(1 << CONTEXT_SWITCH) : ENGINE_BITS;
    this.#master = rings ? GEN7_MASTER_IER : MASTER_IRQ;
    gpu.onInterrupt = () => {
      this.pending = true;
    };
    // Forcewake for good: the mediator never lets the device sleep.
    for (const offset of gpu.platform.gen === 9 ? [0xa278, 0xa270, 0xa188] : [0xa188]) gpu.write32(offset, 0x00010001);
    const used = new Map<number, number>();
    for (const engine of gpu.platform.engines) {
      const { group, shift } = this.#events[engine];
      used.set(group, (used.get(group) ?? 0) | (this.#engineBits << shift));
    }
    for (const [group, bits] of used) {
      const { base } = INTERRUPT_GROUPS[group]!;
      gpu.write32(base + IRQ_IIR, 0xffffffff);
      gpu.write32(base + IRQ_IMR, ~bits >>> 0);
      gpu.write32(base + IRQ_IER, bits >>> 0);
    }
    gpu.write32(this.#master, MASTER_ENABLE);
  }

  /** Nothing is delivered between here and resume(). */
  hold(): void {
    this.pending = false;
    this.gpu.write32(this.#master, 0);
  }

  resume(): void {
    this.gpu.write32(this.#master, MASTER_ENABLE);
  }

  /** Acknowledges an engine's events. @returns them, relative to the engine's shift */
  take(engine: EngineId): number {
    const { group, shift } = this.#events[engine];
    const iir = INTERRUPT_GROUPS[group]!.base + IRQ_IIR;
    const bits = (this.gpu.read32(iir) >>> shift) & this.#engineBits;
    if (bits !== 0) this.gpu.write32(iir, (bits << shift) >>> 0);
    return bits;
  }
}
