/**
 * Haswell's commands carry 32-bit addresses: their dwords are moved to where they are from Gen8 on, so that one executor
 * carries out both. Source: PRM HSW and BDW Vol 2a, the commands' formats.
 */
import type { Executor } from './types.js';

/** Makes room for `count` zero dwords before `at`. @returns the new length */
function insert(dw: Uint32Array, at: number, length: number, count: number): number {
  dw.copyWithin(at + count, at, length);
  dw.fill(0, at, at + count);
  return length + count;
}

/** Where the upper half of an address is missing, by name; the rightmost first. */
const HALVES: Readonly<Record<string, readonly number[]>> = {
  MI_STORE_REGISTER_MEM: [3],
  MI_LOAD_REGISTER_MEM: [3],
  MI_FLUSH_DW: [2],
  MI_BATCH_BUFFER_START: [2],
  MI_CONDITIONAL_BATCH_BUFFER_END: [3],
  PIPE_CONTROL: [3],
  XY_COLOR_BLT: [5],
  XY_SRC_COPY_BLT: [8, 5],
  XY_SETUP_BLT: [5],
};

/** The longest PIPE_CONTROL; of a shorter one the data that is not there is zero. */
const PIPE_CONTROL_DWORDS = 6;

/** @returns an executor of the Haswell form of the command `name` */
export function fromGen7(name: string, executor: Executor): Executor {
  if (name === 'MI_STORE_DATA_IMM') {
    // A reserved dword comes first, then the address.
    return (engine, dw, length) => {
      dw[1] = dw[2]!;
      dw[2] = 0;
      return executor(engine, dw, length);
    };
  }
  const halves = HALVES[name];
  if (halves === undefined) return executor;
  return (engine, dw, length) => {
    for (const at of halves) length = insert(dw, at, length, 1);
    if (name === 'PIPE_CONTROL') {
      dw.fill(0, length, PIPE_CONTROL_DWORDS);
      length = Math.max(length, PIPE_CONTROL_DWORDS);
    }
    return executor(engine, dw, length);
  };
}

export const setContext: Executor = (engine, dw) => {
  engine.setContext(dw[1]!);
  return engine.device.cost.contextSave + engine.device.cost.contextRestore;
};
