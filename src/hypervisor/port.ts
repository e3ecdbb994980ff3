/**
 * The hypervisor port: what an adapter gives the mediator (a guest's memory, an interrupt line) and what it takes (answers
 * to traps). Adapters: vfio-user (QEMU and other VMMs), sim (replayed journals, scripted drivers), xen.
 */
import type { GuestMemory } from '../base/index.js';

/** Spaces that a trap can hit. Numbers are part of the journal format. */
export const SPACE = { BAR0: 0, BAR2: 2, CONFIG: 7 } as const;
export type Space = 0 | 2 | 7;

/** Registers that may be read without asking the device: reading one does nothing, and its value is what the bank holds. */
export interface PlainRegisters {
  /** The registers from offset 0 of BAR0 on, by dword. */
  readonly bank: Uint32Array;
  /** By dword of the bank: 1 where the register is plain. Neither array is ever replaced or resized. */
  readonly plain: Uint8Array;
  /** So many reads were answered from the bank. */
  answered(reads: number): void;
}

/**
 * The device as its guest sees it: what an adapter calls for each trapped access. Every call answers, never throws for what
 * a guest does. Accesses are 1, 2, 4 or 8 bytes; an access of another width or across its natural alignment is answered
 * (zero, or dropped) and counted.
 */
export interface TrapSink {
  /** @returns low 32 bits; the high half of an 8-byte read is then in `readHi` */
  read(space: Space, offset: number, bytes: number): number;
  readHi: number;
  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void;
  /** Function-level or VMM reset of the device. */
  reset(): void;
  /** Several bytes of configuration space at once, as VMMs read it when they attach. */
  readConfigBlock(offset: number, into: Uint8Array): void;
  /** Absent where every access must be seen. */
  readonly plainRegisters?: PlainRegisters;
}

/** One attached VM, as the mediator sees it. */
export interface GuestPort {
  readonly memory: GuestMemory;
  /** Message-signalled interrupt with the guest's own address and data. */
  injectMsi(address: number, data: number): void;
  /** Legacy line, for drivers that run without MSI. */
  setIntx(asserted: boolean): void;
  /** The guest broke a rule and its vGPU is in failsafe; tells the VMM where it can be told. */
  fail(reason: string): void;
  /** True where guest page-table writes can be trapped. */
  readonly canTrackWrites: boolean;
  trackWrites(gfn: number, on: boolean): boolean;
  /** Whether a tracked frame was written since the last call. An adapter may give up on a frame: then always true. */
  takeWritten?(gfn: number): boolean;
  /** While decoded, a BAR has this guest address; also told just before decoding begins. For adapters that route accesses. */
  barMoved?(bar: 0 | 2, address: number): void;
  /** BAR0 and BAR2 began or ceased to be decoded. */
  memoryDecode?(enabled: boolean): void;
}
