/**
 * GMBUS: the I2C controller of the PCH. Commands finish at once, so that a driver that polls never waits; a slave that does
 * not answer is a NAK (SATOER), never a stall, which is what keeps drivers from their slow fallback.
 * Source: PRM SKL Vol 2c GMBUS0..GMBUS5 and Vol 12 "GMBUS Controller Programming Interface".
 */
import { GMBUS, GMBUS_PINS, type PortName } from '../../hw/index.js';
import type { Ddc } from './ddc.js';
import type { DisplayHost } from './port.js';

/** GMBUS1. */
const SW_CLEAR_INT = 0x80000000;
const SW_READY = 0x40000000;
const CYCLE_WAIT = 1 << 25;
const CYCLE_INDEX = 1 << 26;
const CYCLE_STOP = 1 << 27;
const CYCLES = CYCLE_WAIT | CYCLE_INDEX | CYCLE_STOP;
const READ = 1;

/** GMBUS2. */
const HW_WAIT_PHASE = 1 << 14;
const HW_READY = 1 << 11;
const SATOER = 1 << 10;
const ACTIVE = 1 << 9;
const BYTE_COUNT = 0x1ff;

/** GMBUS4: what raises the interrupt. */
const ON_READY = 1;
const ON_WAIT = 2;
const ON_IDLE = 4;
const ON_NAK = 8;

const PIN_MASK = 7;
const TWO_BYTE_INDEX = 0x80000000;

export interface GmbusState {
  readonly remaining: number;
  readonly reading: boolean;
  readonly transferred: number;
}

export class Gmbus {
  readonly #host: DisplayHost;
  readonly #ddcOf: (port: PortName) => Ddc | null;
  readonly #pins: Readonly<Record<number, PortName>>;
  /** Bytes of the current command that are still to move. */
  #remaining = 0;
  #reading = false;
  #transferred = 0;

  constructor(host: DisplayHost, ddcOf: (port: PortName) => Ddc | null) {
    this.#host = host;
    this.#ddcOf = ddcOf;
    this.#pins = GMBUS_PINS.find((row) => (row.platforms & host.platform.bit) !== 0)?.pins ?? {};
  }

  reset(): void {
    this.#remaining = 0;
    this.#reading = false;
    this.#transferred = 0;
    this.#host.bank[GMBUS.STATUS >>> 2] = HW_READY;
  }

  read(offset: number): number {
    return offset === GMBUS.DATA ? this.#readData() : this.#host.bank[offset >>> 2]!;
  }

  write(offset: number, value: number): void {
    switch (offset) {
      case GMBUS.STATUS:
        return;
      case GMBUS.COMMAND:
        this.#host.bank[offset >>> 2] = value;
        this.#command(value);
        return;
      case GMBUS.DATA:
        this.#host.bank[offset >>> 2] = value;
        this.#writeData();
        return;
      case GMBUS.INTERRUPT:
        this.#host.bank[offset >>> 2] = value;
        this.#notify();
        return;
      default:
        this.#host.bank[offset >>> 2] = value;
    }
  }

  save(): GmbusState {
    return { remaining: this.#remaining, reading: this.#reading, transferred: this.#transferred };
  }

  restore(state: GmbusState): void {
    this.#remaining = state.remaining;
    this.#reading = state.reading;
    this.#transferred = state.transferred;
  }

  #ddc(): Ddc | null {
    const port = this.#pins[this.#host.bank[GMBUS.SELECT >>> 2]! & PIN_MASK];
    return port === undefined ? null : this.#ddcOf(port);
  }

  #command(value: number): void {
    if ((value & SW_CLEAR_INT) !== 0) {
      this.#stop();
      return;
    }
    if ((value & SW_READY) === 0 || (value & CYCLES) === 0) return;
    if ((value & CYCLES) === CYCLE_STOP) {
      this.#stop();
      return;
    }
    const ddc = this.#ddc();
    if (ddc === null || !ddc.start((value >> 1) & 0x7f)) {
      this.#remaining = 0;
      ddc?.stop();
      this.#status(SATOER | HW_READY);
      return;
    }
    if ((value & CYCLE_INDEX) !== 0) {
      const wide = this.#host.bank[GMBUS.INDEX >>> 2]!;
      if ((wide & TWO_BYTE_INDEX) !== 0) {
        ddc.write((wide >> 8) & 0xff);
        ddc.write(wide & 0xff);
      } else {
        ddc.write((value >> 8) & 0xff);
      }
    }
    this.#transferred = 0;
    this.#remaining = (value >> 16) & BYTE_COUNT;
    this.#reading = (value & READ) !== 0;
    if (this.#remaining === 0) this.#finish();
    else if (this.#reading) this.#status(ACTIVE | HW_READY);
    // the first bytes of a write are in the data register already
    else this.#writeData();
  }

  #readData(): number {
    const bank = this.#host.bank;
    const ddc = this.#ddc();
    if (!this.#reading || this.#remaining === 0 || ddc === null) return bank[GMBUS.DATA >>> 2]!;
    let value = 0;
    for (let i = 0; i < 4 && this.#remaining > 0; i++, this.#remaining--, this.#transferred++) {
      value |= ddc.read() << (8 * i);
    }
    bank[GMBUS.DATA >>> 2] = value;
    if (this.#remaining === 0) this.#finish();
    else this.#status(ACTIVE | HW_READY);
    return value >>> 0;
  }

  #writeData(): void {
    const ddc = this.#ddc();
    if (this.#reading || this.#remaining === 0 || ddc === null) return;
    const value = this.#host.bank[GMBUS.DATA >>> 2]!;
    for (let i = 0; i < 4 && this.#remaining > 0; i++, this.#remaining--, this.#transferred++) {
      ddc.write((value >>> (8 * i)) & 0xff);
    }
    if (this.#remaining === 0) this.#finish();
    else this.#status(ACTIVE | HW_READY);
  }

  /** All bytes have moved: stop, or hold the bus for the next command. */
  #finish(): void {
    if ((this.#host.bank[GMBUS.COMMAND >>> 2]! & CYCLE_STOP) !== 0) this.#stop();
    else this.#status(ACTIVE | HW_READY | HW_WAIT_PHASE);
  }

  #stop(): void {
    this.#remaining = 0;
    this.#ddc()?.stop();
    this.#status(HW_READY);
  }

  #status(bits: number): void {
    this.#host.bank[GMBUS.STATUS >>> 2] = bits | (this.#transferred & BYTE_COUNT);
    this.#notify();
  }

  #notify(): void {
    const bank = this.#host.bank;
    const enabled = bank[GMBUS.INTERRUPT >>> 2]!;
    const status = bank[GMBUS.STATUS >>> 2]!;
    const due =
      ((enabled & ON_READY) !== 0 && (status & HW_READY) !== 0) ||
      ((enabled & ON_WAIT) !== 0 && (status & HW_WAIT_PHASE) !== 0) ||
      ((enabled & ON_IDLE) !== 0 && (status & ACTIVE) === 0) ||
      ((enabled & ON_NAK) !== 0 && (status & SATOER) !== 0);
    if (due) this.#host.raise('GMBUS');
  }
}
