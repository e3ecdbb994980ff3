/**
 * What a register does, bit by bit and as slowly as possible: the specification that the register file is tested
 * against. Nothing is shared with the implementation.
 */
import { R, type RegisterRow } from '../../src/hw/index.js';

type Bits = number[];
const bitsOf = (value: number): Bits => Array.from({ length: 32 }, (_, i) => Math.floor(value / 2 ** i) % 2);
const numberOf = (bits: Bits): number => bits.reduce((sum, bit, i) => sum + bit * 2 ** i, 0);

export class ReferenceFile {
  readonly #bits = new Map<number, Bits>();
  readonly #rows: readonly RegisterRow[];
  refusals = 0;

  constructor(rows: readonly RegisterRow[]) {
    this.#rows = rows;
  }

  #row(dword: number): RegisterRow | undefined {
    return this.#rows.find((row) => dword >= row.offset && dword < row.offset + (row.size ?? 4));
  }
  #stored(dword: number): Bits {
    let bits = this.#bits.get(dword);
    if (bits === undefined) {
      bits = bitsOf(this.#row(dword)?.reset ?? 0);
      this.#bits.set(dword, bits);
    }
    return bits;
  }
  readByte(offset: number): number {
    const bits = this.#stored(offset - (offset % 4));
    return numberOf(bits.slice((offset % 4) * 8, (offset % 4) * 8 + 8));
  }

  /** `bytes` of one dword, from `first` on. */
  writeDword(dword: number, first: number, bytes: readonly number[]): void {
    const row = this.#row(dword);
    const flags = row?.flags ?? 0;
    if ((flags & R.RO) !== 0) {
      this.refusals++;
      return;
    }
    const stored = this.#stored(dword);
    const old = [...stored];
    const written: (number | null)[] = Array.from({ length: 32 }, () => null);
    bytes.forEach((byte, i) => {
      for (let bit = 0; bit < 8; bit++) written[(first + i) * 8 + bit] = Math.floor(byte / 2 ** bit) % 2;
    });
    const masks = { write: bitsOf(row?.writeMask ?? 0xffffffff), w1c: bitsOf(row?.w1c ?? 0) };
    for (let bit = 0; bit < 32; bit++) {
      const value = written[bit];
      if (value === null) continue;
      if ((flags & R.MODE_MASK) !== 0 && (bit >= 16 || written[bit + 16] !== 1)) continue;
      if (masks.w1c[bit] === 1) stored[bit] = value === 1 ? 0 : old[bit]!;
      else if (masks.write[bit] === 1) stored[bit] = value!;
    }
    if (row?.mirror) {
      const requests = bitsOf(row.mirror[0]).flatMap((set, bit) => (set === 1 ? [bit] : []));
      const states = bitsOf(row.mirror[1]).flatMap((set, bit) => (set === 1 ? [bit] : []));
      const wanted = requests.map((bit) => (states.includes(bit) ? 0 : stored[bit]!));
      states.forEach((bit, i) => {
        stored[bit] = wanted[i]!;
      });
    }
  }
}
