/** Commands that move data between memory, registers and the command itself. */
import {
  ATOMIC_INLINE_DATA,
  ATOMIC_SIZE_SHIFT,
  COPY_DESTINATION_GGTT,
  COPY_SOURCE_GGTT,
  MI_REGISTER_MASK,
  MI_USE_GGTT,
  SDI_QWORD,
} from '../../../hw/commands/index.js';
import { RING } from '../../../hw/index.js';
import type { Engine } from '../engine.js';
import type { Executor } from './types.js';

/** Index of the running context's status page at which MI_REPORT_HEAD leaves the ring's head, bytes. */
const STATUS_HEAD = 0x10;

export const storeDataImm: Executor = (engine, dw, length) => {
  const global = engine.global(dw[0]! & MI_USE_GGTT);
  const mask = (dw[0]! & SDI_QWORD) === 0 ? ~3 : ~7;
  const address = engine.address(dw[1]! & mask, dw[2]!, global);
  for (let i = 3; i < length; i++) engine.mmu.write32(address + (i - 3) * 4, global, dw[i]!);
  return engine.device.cost.memory;
};

export const storeDataIndex: Executor = (engine, dw, length) => {
  for (let i = 2; i < length; i++) engine.mmu.write32(engine.statusPage(dw[1]! + (i - 2) * 4), true, dw[i]!);
  return engine.device.cost.memory;
};

export const reportHead: Executor = (engine) => {
  engine.mmu.write32(engine.statusPage(STATUS_HEAD), true, engine.stream.head);
  return engine.device.cost.memory;
};

export const loadRegisterImm: Executor = (engine, dw, length) => {
  for (let i = 1; i + 1 < length; i += 2) engine.loadRegister(dw[i]! & MI_REGISTER_MASK, dw[i + 1]!);
  return engine.device.cost.mi * (length >>> 1);
};

export const storeRegisterMem: Executor = (engine, dw) => {
  const global = engine.global(dw[0]! & MI_USE_GGTT);
  const value = engine.device.registers.read(dw[1]! & MI_REGISTER_MASK);
  engine.mmu.write32(engine.address(dw[2]! & ~3, dw[3]!, global), global, value);
  return engine.device.cost.memory;
};

export const loadRegisterMem: Executor = (engine, dw) => {
  const global = engine.global(dw[0]! & MI_USE_GGTT);
  const value = engine.mmu.read32(engine.address(dw[2]! & ~3, dw[3]!, global), global);
  engine.loadRegister(dw[1]! & MI_REGISTER_MASK, value);
  return engine.device.cost.memory;
};

export const loadRegisterReg: Executor = (engine, dw) => {
  engine.loadRegister(dw[2]! & MI_REGISTER_MASK, engine.device.registers.read(dw[1]! & MI_REGISTER_MASK));
  return engine.device.cost.mi;
};

export const copyMemMem: Executor = (engine, dw) => {
  const toGlobal = engine.global(dw[0]! & COPY_DESTINATION_GGTT);
  const fromGlobal = engine.global(dw[0]! & COPY_SOURCE_GGTT);
  const value = engine.mmu.read32(engine.address(dw[3]! & ~3, dw[4]!, fromGlobal), fromGlobal);
  engine.mmu.write32(engine.address(dw[1]! & ~3, dw[2]!, toGlobal), toGlobal, value);
  return engine.device.cost.memory * 2;
};

const RETURN_DATA = 1 << 16;
const ATOMIC = {
  AND: 1,
  OR: 2,
  XOR: 3,
  MOVE: 4,
  INC: 5,
  DEC: 6,
  ADD: 7,
  SUB: 8,
  RSUB: 9,
  IMAX: 10,
  IMIN: 11,
  UMAX: 12,
  UMIN: 13,
  CMPXCHG: 14,
} as const;

/** Reads a 64-bit general purpose register of the engine. */
function generalRegister(engine: Engine, index: number): bigint {
  const { registers } = engine.device;
  const at = engine.row.mmioBase + RING.GPR0 + index * 8;
  return (BigInt(registers.get(at + 4)) << 32n) | BigInt(registers.get(at));
}

function setGeneralRegister(engine: Engine, index: number, value: bigint): void {
  const { registers } = engine.device;
  const at = engine.row.mmioBase + RING.GPR0 + index * 8;
  registers.set(at, Number(value & 0xffffffffn));
  registers.set(at + 4, Number((value >> 32n) & 0xffffffffn));
}

function atomicResult(operation: number, bits: number, old: bigint, first: bigint, second: bigint): bigint | undefined {
  const signed = (value: bigint): bigint => BigInt.asIntN(bits, value);
  switch (operation) {
    case ATOMIC.AND:
      return old & first;
    case ATOMIC.OR:
      return old | first;
    case ATOMIC.XOR:
      return old ^ first;
    case ATOMIC.MOVE:
      return first;
    case ATOMIC.INC:
      return old + 1n;
    case ATOMIC.DEC:
      return old - 1n;
    case ATOMIC.ADD:
      return old + first;
    case ATOMIC.SUB:
      return old - first;
    case ATOMIC.RSUB:
      return first - old;
    case ATOMIC.IMAX:
      return signed(old) > signed(first) ? old : first;
    case ATOMIC.IMIN:
      return signed(old) < signed(first) ? old : first;
    case ATOMIC.UMAX:
      return old > first ? old : first;
    case ATOMIC.UMIN:
      return old < first ? old : first;
    case ATOMIC.CMPXCHG:
      return old === first ? second : old;
    default:
      return undefined;
  }
}

/**
 * 32- and 64-bit atomics; operands from the command, or from R0/R2 of the engine, the old value to R4 where asked for.
 * Source: PRM SKL Vol 2a "MI_ATOMIC": operand dwords interleave (first, second), opcode bit 5 says 64 bit.
 */
export const atomic: Executor = (engine, dw, length) => {
  const header = dw[0]!;
  const size = (header >>> ATOMIC_SIZE_SHIFT) & 3;
  if (size > 1) return engine.unsupported(header);
  const wide = size === 1;
  const bits = wide ? 64 : 32;
  const global = engine.global(header & MI_USE_GGTT);
  const address = engine.address(dw[1]! & (wide ? ~7 : ~3), dw[2]!, global);
  const inline = (header & ATOMIC_INLINE_DATA) !== 0 && length >= 11;
  const operand = (at: number, register: number): bigint =>
    BigInt.asUintN(bits, inline ? (BigInt(dw[at + 2]!) << 32n) | BigInt(dw[at]!) : generalRegister(engine, register));
  let old = BigInt(engine.mmu.read32(address, global));
  if (wide) old |= BigInt(engine.mmu.read32(address + 4, global)) << 32n;
  const result = atomicResult((header >>> 8) & 0x1f, bits, old, operand(3, 0), operand(4, 2));
  if (result === undefined) return engine.unsupported(header);
  const value = BigInt.asUintN(bits, result);
  engine.mmu.write32(address, global, Number(value & 0xffffffffn));
  if (wide) engine.mmu.write32(address + 4, global, Number(value >> 32n));
  if ((header & RETURN_DATA) !== 0) setGeneralRegister(engine, 4, old);
  return engine.device.cost.memory * 2;
};

const ALU = {
  NOOP: 0x000,
  LOAD: 0x080,
  LOADINV: 0x480,
  LOAD0: 0x081,
  LOAD1: 0x481,
  ADD: 0x100,
  SUB: 0x101,
  AND: 0x102,
  OR: 0x103,
  XOR: 0x104,
  STORE: 0x180,
  STOREINV: 0x580,
} as const;
const ALU_ACCU = 0x31;
const ALU_ZF = 0x32;
const ALU_CF = 0x33;
const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** The command streamer's 64-bit ALU over the engine's general purpose registers. Source: PRM SKL Vol 2a "MI_MATH". */
export const math: Executor = (engine, dw, length) => {
  const source = [0n, 0n];
  let accumulator = 0n;
  let zero = false;
  let carry = false;
  const flag = (value: boolean): bigint => (value ? ALL_ONES : 0n);
  const read = (operand: number): bigint => {
    if (operand < 16) return generalRegister(engine, operand);
    if (operand === ALU_ACCU) return accumulator;
    if (operand === ALU_ZF) return flag(zero);
    return operand === ALU_CF ? flag(carry) : 0n;
  };
  const finish = (result: bigint): void => {
    carry = result < 0n || result > ALL_ONES;
    accumulator = BigInt.asUintN(64, result);
    zero = accumulator === 0n;
  };
  for (let i = 1; i < length; i++) {
    const to = (dw[i]! >>> 10) & 0x3ff;
    const from = dw[i]! & 0x3ff;
    switch (dw[i]! >>> 20) {
      case ALU.LOAD:
        source[to & 1] = read(from);
        break;
      case ALU.LOADINV:
        source[to & 1] = read(from) ^ ALL_ONES;
        break;
      case ALU.LOAD0:
        source[to & 1] = 0n;
        break;
      case ALU.LOAD1:
        source[to & 1] = ALL_ONES;
        break;
      case ALU.ADD:
        finish(source[0]! + source[1]!);
        break;
      case ALU.SUB:
        finish(source[0]! - source[1]!);
        break;
      case ALU.AND:
        finish(source[0]! & source[1]!);
        break;
      case ALU.OR:
        finish(source[0]! | source[1]!);
        break;
      case ALU.XOR:
        finish(source[0]! ^ source[1]!);
        break;
      case ALU.STORE:
        setGeneralRegister(engine, to & 15, read(from));
        break;
      case ALU.STOREINV:
        setGeneralRegister(engine, to & 15, read(from) ^ ALL_ONES);
        break;
      default:
        break;
    }
  }
  return engine.device.cost.mi * length;
};
