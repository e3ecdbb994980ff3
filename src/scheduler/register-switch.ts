/**
 * Hands an engine's registers from one vGPU to the next. Values of a vGPU live in its register bank; here they go to and
 * from the device. All are read back when an engine changes hands, since commands may have changed any of them; only
 * values that differ are written, since a register write reaches over PCI on real hardware.
 */
import type { Gpu } from '../gpu/index.js';
import { type EngineId, type Platform, SWITCH_REGISTERS } from '../hw/index.js';

/** The registers of one engine, as flat columns. */
interface Columns {
  readonly offsets: readonly number[];
  readonly masked: readonly boolean[];
  /** What the device holds; NaN where that is not known. */
  readonly device: Float64Array;
}

export class RegisterSwitch {
  readonly #engines: (Columns | undefined)[] = [];

  constructor(
    private readonly gpu: Gpu,
    platform: Platform,
  ) {
    for (const engine of platform.engines) {
      const rows = SWITCH_REGISTERS.filter((row) => row.engine === engine && (row.platforms & platform.bit) !== 0);
      const offsets = rows.flatMap((row) => Array.from({ length: row.count }, (_, i) => row.offset + 4 * i));
      const masked = rows.flatMap((row) => new Array<boolean>(row.count).fill(row.masked));
      this.#engines[engine] = { offsets, masked, device: new Float64Array(offsets.length).fill(Number.NaN) };
    }
  }

  /** Takes the device's values over into `bank`, whose owner ran last. */
  save(engine: EngineId, bank: Uint32Array): void {
    const { offsets, masked, device } = this.#engines[engine]!;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i]!;
      const read = this.gpu.read32(offset);
      const value = masked[i] ? read & 0xffff : read;
      bank[offset >>> 2] = value;
      device[i] = value;
    }
  }

  restore(engine: EngineId, bank: Uint32Array): void {
    const { offsets, masked, device } = this.#engines[engine]!;
    for (let i = 0; i < offsets.length; i++) {
      const offset = offsets[i]!;
      const value = masked[i] ? bank[offset >>> 2]! & 0xffff : bank[offset >>> 2]!;
      if (device[i] === value) continue;
      this.gpu.write32(offset, masked[i] ? (0xffff0000 | value) >>> 0 : value);
      device[i] = value;
    }
  }

  /** What the device holds is not known any more: the engine was reset, or whoever ran on it is gone. */
  forget(engine: EngineId): void {
    this.#engines[engine]!.device.fill(Number.NaN);
  }
}
