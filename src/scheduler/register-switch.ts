/**
 * Hands an engine's registers from one vGPU to the next. Values of a vGPU live in its register bank; here they go to and
 * from the device. Only values that differ are written, since a register write reaches over PCI on real hardware.
 */
import type { Gpu } from '../gpu/index.js';
import { type EngineId, type Platform, SWITCH_REGISTERS } from '../hw/index.js';

export class RegisterSwitch {
  /** Per engine: offset, whether masked, whether saved; flat for the switch loop. */
  readonly #offsets: number[][] = [];
  readonly #masked: boolean[][] = [];
  readonly #save: boolean[][] = [];
  /** What the device holds, so that equal values are not written again. */
  readonly #device = new Map<number, number>();

  constructor(
    private readonly gpu: Gpu,
    platform: Platform,
  ) {
    for (const engine of platform.engines) {
      this.#offsets[engine] = [];
      this.#masked[engine] = [];
      this.#save[engine] = [];
    }
    for (const row of SWITCH_REGISTERS) {
      const offsets = this.#offsets[row.engine];
      if (!offsets || (row.platforms & platform.bit) === 0) continue;
      for (let i = 0; i < row.count; i++) {
        offsets.push(row.offset + 4 * i);
        this.#masked[row.engine]!.push(row.masked);
        this.#save[row.engine]!.push(row.save);
      }
    }
  }

  /** Reads back what the device may have changed while `bank`'s owner ran. */
  save(engine: EngineId, bank: Uint32Array): void {
    const offsets = this.#offsets[engine]!;
    for (let i = 0; i < offsets.length; i++) {
      if (!this.#save[engine]![i]) continue;
      const offset = offsets[i]!;
      const value = this.gpu.read32(offset);
      bank[offset >>> 2] = this.#masked[engine]![i] ? value & 0xffff : value;
      this.#device.set(offset, bank[offset >>> 2]!);
    }
  }

  restore(engine: EngineId, bank: Uint32Array): void {
    const offsets = this.#offsets[engine]!;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i]!;
      const isMasked = this.#masked[engine]![i]!;
      const value = isMasked ? bank[offset >>> 2]! & 0xffff : bank[offset >>> 2]!;
      if (this.#device.get(offset) === value) continue;
      this.gpu.write32(offset, isMasked ? (0xffff0000 | value) >>> 0 : value);
      this.#device.set(offset, value);
    }
  }

  /** Forgets what the device holds (after a reset of the device). */
  forget(): void {
    this.#device.clear();
  }
}
