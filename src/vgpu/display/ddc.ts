/**
 * The monitor's I2C bus: its EDID at slave 0x50 and the segment pointer at slave 0x30. GMBUS reaches it by wires, AUX by
 * I2C-over-AUX transactions; both speak to the same devices.
 * Source: VESA E-DDC 1.3 (addresses, segment pointer of 256 bytes, word pointer that increments and wraps).
 */
const EDID_SLAVE = 0x50;
const SEGMENT_SLAVE = 0x30;
const NOBODY = -1;

export interface DdcState {
  readonly slave: number;
  readonly segment: number;
  readonly pointer: number;
}

export class Ddc {
  edid: Uint8Array;
  #slave = NOBODY;
  #segment = 0;
  #pointer = 0;

  constructor(edid: Uint8Array) {
    this.edid = edid;
  }

  /** START (or repeated START) and the address. @returns whether a device acknowledged */
  start(slave: number): boolean {
    this.#slave = slave === EDID_SLAVE || slave === SEGMENT_SLAVE ? slave : NOBODY;
    return this.#slave !== NOBODY;
  }

  write(byte: number): void {
    if (this.#slave === EDID_SLAVE) this.#pointer = byte;
    else if (this.#slave === SEGMENT_SLAVE) this.#segment = byte;
  }

  read(): number {
    if (this.#slave !== EDID_SLAVE) return 0xff;
    const byte = this.edid[this.#segment * 256 + this.#pointer] ?? 0xff;
    this.#pointer = (this.#pointer + 1) & 0xff;
    return byte;
  }

  /** STOP: the segment pointer falls back to zero, the word pointer stays. */
  stop(): void {
    this.#slave = NOBODY;
    this.#segment = 0;
  }

  save(): DdcState {
    return { slave: this.#slave, segment: this.#segment, pointer: this.#pointer };
  }

  restore(state: DdcState): void {
    this.#slave = state.slave;
    this.#segment = state.segment;
    this.#pointer = state.pointer;
  }
}
