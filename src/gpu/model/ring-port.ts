/**
 * Submission of one Haswell engine: a ring buffer whose registers a driver writes, executed from head to tail; an address
 * space whose directory PP_DIR_BASE names; and on the render engine a logical context that MI_SET_CONTEXT switches.
 * Source: PRM HSW Vol 2c RING_BUFFER_*, PP_DIR_BASE, GFX_MODE, CCID; Vol 2a MI_SET_CONTEXT.
 */
import { PAGE_SIZE } from '../../base/index.js';
import {
  CCID,
  directoryEntry,
  type EngineRow,
  HWS_PGA_GEN7,
  INSTPM_SYNC_FLUSH,
  INSTPM_TLB_INVALIDATE,
  PPGTT_ENABLE,
  RING,
  RING_CTL_VALID,
  RING7,
  SET_CONTEXT,
} from '../../hw/index.js';
import type { Device } from './device.js';
import { NO_OWNER } from './memory.js';
import type { Mmu } from './mmu.js';
import type { CommandStream } from './stream.js';

type Range = readonly [first: number, last: number];

/** What of the render engine's state the model keeps in a context: statistics, predicates, draw parameters, GPRs, modes. */
const CONTEXT_STATE: readonly Range[] = [
  [0x2300, 0x2354],
  [0x2400, 0x2440],
  [0x2500, 0x2508],
  [0x2600, 0x267c],
  [0x7000, 0x7010],
  [0xb020, 0xb024],
];
const STATE_REGISTERS = CONTEXT_STATE.flatMap(([first, last]) =>
  Array.from({ length: (last - first) / 4 + 1 }, (_, i) => first + 4 * i),
);
const KNOWN = new Set(STATE_REGISTERS);
const LRI = 0x11000000;
const CCID_VALID = 1;

export class RingPort {
  readonly #device: Device;
  readonly #row: EngineRow;
  readonly #mmu: Mmu;
  readonly #stream: CommandStream;

  /** @param doorbell called before the tail moves */
  constructor(device: Device, row: EngineRow, mmu: Mmu, stream: CommandStream, doorbell: () => void) {
    this.#device = device;
    this.#row = row;
    this.#mmu = mmu;
    this.#stream = stream;
    const { registers } = device;
    const base = row.mmioBase;
    const store = (offset: number, value: number): void => {
      registers.set(offset, value);
      stream.reload();
    };
    registers.onWrite(base + RING.START, store);
    registers.onWrite(base + RING.CTL, store);
    registers.onWrite(base + RING.HEAD, (_offset, value) => stream.moveHead(value));
    registers.onWrite(base + RING.TAIL, (_offset, value) => {
      doorbell();
      this.#enter();
      stream.tail = value;
    });
    registers.onWrite(base + RING.MODE, (offset, value) => {
      registers.mergeMasked(offset, value);
      this.#addressSpace();
    });
    registers.onWrite(base + RING7.PP_DIR_BASE, (offset, value) => {
      registers.set(offset, value);
      this.#addressSpace();
    });
    registers.onWrite(base + RING.INSTPM, (offset, value) => {
      const mode = registers.mergeMasked(offset, value);
      registers.set(offset, mode & ~(INSTPM_SYNC_FLUSH | INSTPM_TLB_INVALIDATE));
      mmu.flush();
    });
  }

  /** The ring is on and not at its end. */
  get running(): boolean {
    const enabled = (this.#device.registers.get(this.#row.mmioBase + RING.CTL) & RING_CTL_VALID) !== 0;
    return enabled && !this.#stream.empty;
  }

  reset(): void {
    this.#addressSpace();
    this.#stream.reload();
    if (this.#row.name === 'RCS') this.#device.registers.set(CCID, 0);
  }

  /** Global address of the engine's status page. */
  get statusPage(): number {
    return (this.#device.registers.get(HWS_PGA_GEN7[this.#row.id]) & ~0xfff) >>> 0;
  }

  /** MI_SET_CONTEXT: the state goes to the context that was current, and comes from the one that is to be. */
  setContext(wanted: number): void {
    const { registers } = this.#device;
    const current = registers.get(CCID);
    const address = (wanted & SET_CONTEXT.ADDRESS) >>> 0;
    const same = (current & CCID_VALID) !== 0 && (current & SET_CONTEXT.ADDRESS) >>> 0 === address;
    if (same && (wanted & SET_CONTEXT.FORCE_RESTORE) === 0) return;
    if ((current & CCID_VALID) !== 0) this.#save((current & SET_CONTEXT.ADDRESS) >>> 0);
    registers.set(CCID, address | CCID_VALID);
    if ((wanted & SET_CONTEXT.RESTORE_INHIBIT) === 0) this.#restore(address);
  }

  /** Whose the ring is decides what its commands may touch. */
  #enter(): void {
    const { ggtt, memory, registers } = this.#device;
    const frame = ggtt.frame(registers.get(this.#row.mmioBase + RING.START) >>> 12);
    this.#mmu.owner = frame < 0 ? NO_OWNER : memory.ownerOf(frame);
    this.#mmu.flush();
  }

  #addressSpace(): void {
    const { registers } = this.#device;
    const base = this.#row.mmioBase;
    const enabled = (registers.get(base + RING.MODE) & PPGTT_ENABLE) !== 0;
    this.#mmu.setDirectory(enabled ? directoryEntry(registers.get(base + RING7.PP_DIR_BASE)) : -1);
  }

  /** An image is one list of register loads, which a restore carries out. */
  #save(address: number): void {
    const { registers } = this.#device;
    this.#mmu.write32(address, true, 0);
    this.#mmu.write32(address + 4, true, LRI | (2 * STATE_REGISTERS.length - 1));
    STATE_REGISTERS.forEach((register, i) => {
      this.#mmu.write32(address + 8 + 8 * i, true, register);
      this.#mmu.write32(address + 12 + 8 * i, true, registers.get(register));
    });
  }

  #restore(address: number): void {
    const header = this.#mmu.read32(address + 4, true);
    if ((header & 0xff800000) !== LRI) return;
    const pairs = ((header & 0xff) + 1) >>> 1;
    for (let i = 0; i < pairs && 16 + 8 * i <= PAGE_SIZE; i++) {
      const register = this.#mmu.read32(address + 8 + 8 * i, true);
      if (KNOWN.has(register)) this.#device.registers.set(register, this.#mmu.read32(address + 12 + 8 * i, true));
    }
  }
}
