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

/** How a command's form differs. */
interface Form {
  /** Where the upper half of an address is missing; the rightmost first. */
  readonly halves?: readonly number[];
  /** A reserved dword comes first, and the address after it. */
  readonly addressSecond?: true;
  /** So many dwords at least; what a shorter one does not say is zero. */
  readonly least?: number;
}

/** By name. */
const FORMS: Readonly<Record<string, Form>> = {
  MI_STORE_DATA_IMM: { addressSecond: true },
  MI_STORE_REGISTER_MEM: { halves: [3] },
  MI_LOAD_REGISTER_MEM: { halves: [3] },
  MI_FLUSH_DW: { halves: [2] },
  MI_BATCH_BUFFER_START: { halves: [2] },
  MI_CONDITIONAL_BATCH_BUFFER_END: { halves: [3] },
  PIPE_CONTROL: { halves: [3], least: 6 },
  XY_COLOR_BLT: { halves: [5] },
  XY_SRC_COPY_BLT: { halves: [8, 5] },
  XY_SETUP_BLT: { halves: [5] },
};

/** @returns an executor of the Haswell form of the command `name` */
export function fromGen7(name: string, executor: Executor): Executor {
  const form = FORMS[name];
  if (form === undefined) return executor;
  const { halves = [], addressSecond = false, least = 0 } = form;
  return (engine, dw, length) => {
    if (addressSecond) {
      dw[1] = dw[2]!;
      dw[2] = 0;
    }
    for (const at of halves) length = insert(dw, at, length, 1);
    if (length < least) dw.fill(0, length, least);
    return executor(engine, dw, Math.max(length, least));
  };
}

export const setContext: Executor = (engine, dw) => {
  engine.setContext(dw[1]!);
  return engine.device.cost.contextSave + engine.device.cost.contextRestore;
};
