/**
 * The virtual registers of one vGPU: a flat bank of dwords behind a compiled policy. A read or write without side effects
 * is a row lookup and a typed-array access; everything else goes through the row's columns or its handler.
 */
import { GT_RESET_END, GT_RESET_END_GEN7, MMIO_BYTES, P, R } from '../hw/index.js';
import { type MmioContext, merge, type Registers } from './context.js';
import { MMIO_DWORDS, type Policy, WRITE_COLUMNS, WRITE_HANDLER } from './policy.js';
import { readSnapshot, SIDEBAND_DWORDS, writeSnapshot } from './snapshot.js';
import { type UnknownRegister, UnknownRegisters } from './unknown-registers.js';

const ALL = 0xffffffff;

export class RegisterFile<C extends Pick<MmioContext, 'refuse'>> implements Registers {
  readonly bank: Uint32Array;
  readonly sideband = new Uint32Array(SIDEBAND_DWORDS);
  readonly policy: Policy<C>;
  /** High half of the last 8-byte read. */
  readHi = 0;
  readonly #ctx: C;
  /** The bank as bytes. */
  readonly #bytes: Uint8Array;
  readonly #unknown = new UnknownRegisters();

  /** @param bank where the registers live, when they are to be shared with somebody who reads them without asking */
  constructor(policy: Policy<C>, ctx: C, bank: Uint32Array = new Uint32Array(MMIO_DWORDS)) {
    if (bank.length !== MMIO_DWORDS) throw new RangeError(`A register bank has ${MMIO_DWORDS} dwords.`);
    this.bank = bank;
    this.policy = policy;
    this.#ctx = ctx;
    this.#bytes = new Uint8Array(bank.buffer, bank.byteOffset, bank.byteLength);
    this.reset('device');
  }

  /**
   * Reads `bytes` at `offset`, as the guest sees it. 8 bytes: the low half is returned, the high half is in readHi.
   * An access that the device does not decode reads as all ones, which is what a bus answers for nobody.
   */
  read(offset: number, bytes: number): number {
    if (bytes === 4 && (offset & 3) === 0 && offset >= 0 && offset < MMIO_BYTES) return this.#readDword(offset >>> 2);
    return this.#readOdd(offset, bytes);
  }

  /** Writes `bytes` at `offset`; `hi` is the high half of an 8-byte write, which is done after the low half. */
  write(offset: number, bytes: number, lo: number, hi = 0): void {
    if (bytes === 4 && (offset & 3) === 0 && offset >= 0 && offset < MMIO_BYTES) {
      this.#writeDword(offset >>> 2, lo >>> 0, ALL);
    } else {
      this.#writeOdd(offset, bytes, lo >>> 0, hi >>> 0);
    }
  }

  /** Reads what is stored, past rows and handlers: registers as memory. What is no access is answered as read() does. */
  peek(offset: number, bytes: number): number {
    if (this.#fault(offset, bytes) !== '') return this.#readOdd(offset, bytes);
    const low = Math.min(bytes, 4);
    let lo = 0;
    for (let i = 0; i < low; i++) lo |= this.#bytes[offset + i]! << (8 * i);
    this.readHi = 0;
    for (let i = 4; i < bytes; i++) this.readHi |= this.#bytes[offset + i]! << (8 * (i - 4));
    this.readHi >>>= 0;
    return lo >>> 0;
  }

  /** Stores, past rows and handlers. */
  poke(offset: number, bytes: number, lo: number, hi = 0): void {
    const fault = this.#fault(offset, bytes);
    if (fault !== '') {
      this.#ctx.refuse(fault);
      return;
    }
    for (let i = 0; i < bytes; i++) this.#bytes[offset + i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4));
  }

  #readDword(at: number): number {
    const id = this.policy.rowOf[at]!;
    if (id === 0) {
      this.#unknown.read(at);
      return this.bank[at]!;
    }
    const handler = this.policy.readHandler[id]!;
    return handler === 0 ? this.bank[at]! : this.policy.reads[handler]!(this.#ctx, at << 2) >>> 0;
  }

  #writeDword(at: number, value: number, mask: number): void {
    const { policy } = this;
    const id = policy.rowOf[at]!;
    const action = policy.writeAction[id]!;
    if (action === WRITE_HANDLER) {
      policy.writes[policy.writeHandler[id]!]!(this.#ctx, at << 2, value, mask);
    } else if (action === WRITE_COLUMNS) {
      this.#storeByColumns(at, id, value, mask);
    } else {
      if (id === 0) this.#unknown.write(at);
      this.bank[at] = mask === ALL ? value : merge(this.bank[at]!, value, mask);
    }
  }

  store(offset: number, value: number, mask: number): void {
    const at = offset >>> 2;
    this.#storeByColumns(at, this.policy.rowOf[at]!, value, mask);
  }

  #storeByColumns(at: number, id: number, value: number, mask: number): void {
    const { policy, bank } = this;
    const flags = policy.flags[id]!;
    if ((flags & R.RO) !== 0) {
      this.#ctx.refuse('mmio-read-only');
      return;
    }
    // The mode mask is in the upper half of the value, so a write that does not cover it changes nothing.
    const enabled = (flags & R.MODE_MASK) === 0 ? mask : (value >>> 16) & mask & 0xffff;
    const old = bank[at]!;
    const w1c = policy.w1c[id]!;
    let next = merge(old, value, enabled & policy.writeMask[id]!) & ~(value & enabled & w1c);
    const to = policy.mirrorTo[id]!;
    if (to !== 0) {
      const shift = policy.mirrorShift[id]!;
      const request = next & policy.mirrorFrom[id]!;
      next = (next & ~to) | (shift >= 0 ? request << shift : request >>> -shift);
    }
    bank[at] = next;
  }

  /** Why an access that is not one aligned dword cannot be done, or '' when it can. */
  #fault(offset: number, bytes: number): string {
    if (bytes !== 1 && bytes !== 2 && bytes !== 4 && bytes !== 8) return 'mmio-width';
    if (!(offset >= 0 && offset + bytes <= MMIO_BYTES)) return 'mmio-outside';
    // 8 bytes are two dwords, so they only need a dword's alignment.
    const aligned = (offset & (Math.min(bytes, 4) - 1)) === 0;
    if (aligned || (this.policy.flags[this.policy.rowOf[offset >>> 2]!]! & R.UNALIGNED) !== 0) return '';
    return 'mmio-misaligned';
  }

  #readOdd(offset: number, bytes: number): number {
    const fault = this.#fault(offset, bytes);
    if (fault !== '') {
      this.#ctx.refuse(fault);
      this.readHi = ALL;
      return bytes === 1 ? 0xff : bytes === 2 ? 0xffff : ALL;
    }
    const at = offset >>> 2;
    const shift = (offset & 3) * 8;
    const bits = shift + bytes * 8;
    const first = this.#readDword(at);
    const second = bits > 32 ? this.#readDword(at + 1) : 0;
    const lo = shift === 0 ? first : ((first >>> shift) | (second << (32 - shift))) >>> 0;
    if (bytes < 4) return lo & (bytes === 1 ? 0xff : 0xffff);
    if (bytes === 8) {
      const third = bits > 64 ? this.#readDword(at + 2) : 0;
      this.readHi = shift === 0 ? second : ((second >>> shift) | (third << (32 - shift))) >>> 0;
    }
    return lo;
  }

  #writeOdd(offset: number, bytes: number, lo: number, hi: number): void {
    const fault = this.#fault(offset, bytes);
    if (fault !== '') {
      this.#ctx.refuse(fault);
      return;
    }
    const at = offset >>> 2;
    const shift = (offset & 3) * 8;
    // The access as up to three dwords of value and mask, shifted to where its bytes are.
    const loMask = bytes >= 4 ? ALL : bytes === 2 ? 0xffff : 0xff;
    const hiMask = bytes === 8 ? ALL : 0;
    lo &= loMask;
    hi &= hiMask;
    const back = 32 - shift;
    this.#writeDword(at, (lo << shift) >>> 0, (loMask << shift) >>> 0);
    const mask1 = shift === 0 ? hiMask : ((loMask >>> back) | (hiMask << shift)) >>> 0;
    if (mask1 !== 0) this.#writeDword(at + 1, (shift === 0 ? hi : (lo >>> back) | (hi << shift)) >>> 0, mask1);
    const mask2 = shift === 0 ? 0 : hiMask >>> back;
    if (mask2 !== 0) this.#writeDword(at + 2, hi >>> back, mask2);
  }

  /** `gt`: what a reset of all engines restores (below GT_RESET_END); `device`: everything. */
  reset(kind: 'gt' | 'device'): void {
    if (kind === 'gt') {
      const end = this.policy.platform.bit === P.HSW ? GT_RESET_END_GEN7 : GT_RESET_END;
      this.bank.set(this.policy.resetBank.subarray(0, end / 4));
    } else {
      this.bank.set(this.policy.resetBank);
      this.sideband.fill(0);
    }
  }

  /** Offsets without a row that the guest touched, ascending. Counted since the vGPU was made, over resets. */
  unknown(): UnknownRegister[] {
    return this.#unknown.list();
  }
  /** How many distinct offsets without a row the guest touched. */
  get unknownCount(): number {
    return this.#unknown.size;
  }
  /** Accesses to unknown offsets beyond those that are told apart. */
  get unknownOverflow(): number {
    return this.#unknown.overflow;
  }

  /** The registers as bytes: all dwords that are not zero. Counters are the operator's, not state. */
  save(): Uint8Array {
    return writeSnapshot(this.policy.platform.bit, this.bank, this.sideband);
  }

  /** @throws XengtError XENGT_E_JOURNAL when the bytes are damaged or foreign; the registers are then unchanged */
  restore(bytes: Uint8Array): void {
    readSnapshot(bytes, this.policy.platform.bit, this.bank, this.sideband);
  }
}
