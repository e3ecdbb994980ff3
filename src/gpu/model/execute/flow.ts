/** Commands that decide what runs next: batch buffers, predicates, arbitration, semaphores, interrupts. */
import {
  ARBITRATION_ENABLE,
  BBS_PPGTT,
  BBS_PREDICATE,
  BBS_SECOND_LEVEL,
  MI_USE_GGTT,
} from '../../../hw/commands/index.js';
import { RING, USER_INTERRUPT } from '../../../hw/index.js';
import type { Engine } from '../engine.js';
import type { Executor } from './types.js';

export const batchBufferStart: Executor = (engine, dw) => {
  const { cost, registers } = engine.device;
  const header = dw[0]!;
  if ((header & BBS_PREDICATE) !== 0 && (registers.get(engine.row.mmioBase + RING.PREDICATE_RESULT_1) & 1) === 0)
    return cost.mi;
  // A batch without privilege cannot gain it by a jump: it stays in the context's own address space.
  const perProcess = (header & BBS_PPGTT) !== 0 || !engine.privileged;
  const target = engine.address(dw[1]! & ~3, dw[2]!, !perProcess);
  const behind = engine.stream.address;
  engine.stream.enterBatch(target, perProcess, (header & BBS_SECOND_LEVEL) !== 0);
  return cost.jump + engine.circle.jump(target, behind - target);
};

export const batchBufferEnd: Executor = (engine) => {
  engine.leaveBatch();
  return engine.device.cost.jump;
};

/** Compare operations of semaphores and of the conditional batch end: memory against the command's data, unsigned. */
function compare(operation: number, memory: number, data: number): boolean {
  switch (operation) {
    case 0:
      return memory > data;
    case 1:
      return memory >= data;
    case 2:
      return memory < data;
    case 3:
      return memory <= data;
    case 4:
      return memory === data;
    case 5:
      return memory !== data;
    default:
      return true;
  }
}

const COMPARE_SEMAPHORE = 1 << 21;
const COMPARE_MASKED = 1 << 19;

/** The batch goes on while the comparison holds. */
export const conditionalBatchBufferEnd: Executor = (engine, dw) => {
  const { cost } = engine.device;
  const header = dw[0]!;
  if ((header & COMPARE_SEMAPHORE) === 0) return cost.mi;
  const global = engine.global(header & MI_USE_GGTT);
  const address = engine.address(dw[2]! & ~7, dw[3]!, global);
  let value = engine.mmu.read32(address, global);
  if ((header & COMPARE_MASKED) !== 0) value = (value & engine.mmu.read32(address + 4, global)) >>> 0;
  const operation = engine.device.platform.gen === 8 ? 0 : (header >>> 12) & 7;
  if (!compare(operation, value, dw[1]!)) engine.leaveBatch();
  return cost.memory;
};

/** Polls: while the comparison fails the command is met again later, and the engine may be taken by another list. */
export const semaphoreWait: Executor = (engine, dw) => {
  const header = dw[0]!;
  const global = engine.global(header & MI_USE_GGTT);
  const value = engine.mmu.read32(engine.address(dw[2]! & ~3, dw[3]!, global), global);
  if (!compare((header >>> 12) & 7, value, dw[1]!)) return engine.pollAgain();
  return engine.device.cost.memory;
};

export const userInterrupt: Executor = (engine) => {
  engine.raise(USER_INTERRUPT);
  return engine.device.cost.mi;
};

export const arbitrationCheck: Executor = (engine) => {
  engine.atArbitrationPoint = true;
  return engine.device.cost.mi;
};

export const arbitrationOnOff: Executor = (engine, dw) => {
  engine.arbitration = (dw[0]! & ARBITRATION_ENABLE) !== 0;
  return engine.device.cost.mi;
};

const PREDICATE_SRC0 = 0x400;
const PREDICATE_SRC1 = 0x408;
const PREDICATE_RESULT = 0x418;
const PREDICATE_RESULT_2 = 0x2214;

/** Makes the following commands no-ops, or not, by a result register. Source: PRM SKL Vol 2a "MI_SET_PREDICATE". */
export const setPredicate: Executor = (engine, dw) => {
  const { registers, cost } = engine.device;
  const result1 = (registers.get(engine.row.mmioBase + RING.PREDICATE_RESULT_1) & 1) !== 0;
  const result2 = (registers.get(PREDICATE_RESULT_2) & 1) !== 0;
  switch (dw[0]! & 15) {
    case 1:
      engine.predicated = !result2;
      break;
    case 2:
      engine.predicated = result2;
      break;
    case 3:
      engine.predicated = !result1;
      break;
    case 4:
      engine.predicated = result1;
      break;
    case 15:
      engine.predicated = true;
      break;
    default:
      engine.predicated = false;
  }
  return cost.mi;
};

function sourcesEqual(engine: Engine): boolean {
  const { registers } = engine.device;
  const base = engine.row.mmioBase;
  return (
    registers.get(base + PREDICATE_SRC0) === registers.get(base + PREDICATE_SRC1) &&
    registers.get(base + PREDICATE_SRC0 + 4) === registers.get(base + PREDICATE_SRC1 + 4)
  );
}

/** Source: PRM SKL Vol 2a "MI_PREDICATE": compare, combine with the state so far, load. */
export const predicate: Executor = (engine, dw) => {
  const { registers, cost } = engine.device;
  const header = dw[0]!;
  const at = engine.row.mmioBase + PREDICATE_RESULT;
  const before = (registers.get(at) & 1) !== 0;
  const compared = (header & 3) === 0 || ((header & 3) === 2 && sourcesEqual(engine));
  const load = (header >>> 6) & 3;
  if (load < 2) return cost.mi;
  const value = load === 3 ? !compared : compared;
  const combined = [value, before && value, before || value, before !== value][(header >>> 3) & 3]!;
  registers.set(at, combined ? 1 : 0);
  return cost.mi;
};
