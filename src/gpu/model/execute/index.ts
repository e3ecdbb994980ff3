/** What each command does, by the name of its row. A row without an entry only takes the time of its cost class. */
import { XengtError } from '../../../base/index.js';
import { COMMANDS, type CommandRow, type CommandTable, type CostClass } from '../../../hw/commands/index.js';
import { colorBlt, fastCopyBlt, setupBlt, setupClipBlt, srcCopyBlt } from './blits.js';
import {
  arbitrationCheck,
  arbitrationOnOff,
  batchBufferEnd,
  batchBufferStart,
  conditionalBatchBufferEnd,
  predicate,
  semaphoreWait,
  setPredicate,
  userInterrupt,
} from './flow.js';
import { fromGen7, setContext } from './gen7.js';
import {
  atomic,
  copyMemMem,
  loadRegisterImm,
  loadRegisterMem,
  loadRegisterReg,
  math,
  reportHead,
  storeDataImm,
  storeDataIndex,
  storeRegisterMem,
} from './memory.js';
import { flushDw, pipeControl } from './post-sync.js';
import type { Executor } from './types.js';
import { mediaObject, primitive, walker } from './work.js';

export type { Executor } from './types.js';

const unsupported: Executor = (engine, dw) => engine.unsupported(dw[0]!);

const EXECUTORS: Readonly<Record<string, Executor>> = {
  MI_SET_PREDICATE: setPredicate,
  MI_USER_INTERRUPT: userInterrupt,
  MI_ARB_CHECK: arbitrationCheck,
  MI_REPORT_HEAD: reportHead,
  MI_ARB_ON_OFF: arbitrationOnOff,
  MI_BATCH_BUFFER_END: batchBufferEnd,
  MI_PREDICATE: predicate,
  MI_MATH: math,
  MI_SEMAPHORE_WAIT: semaphoreWait,
  MI_STORE_DATA_IMM: storeDataImm,
  MI_STORE_DATA_INDEX: storeDataIndex,
  MI_LOAD_REGISTER_IMM: loadRegisterImm,
  MI_STORE_REGISTER_MEM: storeRegisterMem,
  MI_FLUSH_DW: flushDw,
  MI_LOAD_REGISTER_MEM: loadRegisterMem,
  MI_LOAD_REGISTER_REG: loadRegisterReg,
  MI_COPY_MEM_MEM: copyMemMem,
  MI_ATOMIC: atomic,
  MI_BATCH_BUFFER_START: batchBufferStart,
  MI_CONDITIONAL_BATCH_BUFFER_END: conditionalBatchBufferEnd,
  MI_SET_CONTEXT: setContext,
  MI_UPDATE_GTT: unsupported,
  MI_REPORT_PERF_COUNT: unsupported,
  MI_RS_STORE_DATA_IMM: unsupported,
  MI_LOAD_URB_MEM: unsupported,
  MI_STORE_URB_MEM: unsupported,
  PIPE_CONTROL: pipeControl,
  XY_SETUP_BLT: setupBlt,
  XY_SETUP_CLIP_BLT: setupClipBlt,
  XY_COLOR_BLT: colorBlt,
  XY_SRC_COPY_BLT: srcCopyBlt,
  XY_FAST_COPY_BLT: fastCopyBlt,
};

/** Commands that still run while MI_SET_PREDICATE turns the others into no-ops. */
const NOT_PREDICATED = new Set(['MI_SET_PREDICATE', 'MI_BATCH_BUFFER_END', 'MI_ARB_CHECK', 'MI_ARB_ON_OFF']);

/** Commands of which a batch may be full and still do nothing. */
const IDLE = new Set(['MI_NOOP', 'MI_ARB_CHECK', 'MI_ARB_ON_OFF', 'MI_BATCH_BUFFER_START']);

const BY_CLASS: Readonly<Record<CostClass, Executor | null>> = {
  mi: null,
  state: null,
  '3dprim': primitive,
  gpgpu: walker,
  media: mediaObject,
  blit: unsupported,
};

/** Executors of one engine's commands, by command id. */
export interface ExecutorTable {
  /** null: nothing but time. */
  readonly executors: readonly (Executor | null)[];
  readonly isState: Uint8Array;
  readonly neverPredicated: Uint8Array;
  readonly isIdle: Uint8Array;
}

function executorOf(row: CommandRow, gen: number): Executor | null {
  const executor = EXECUTORS[row.name] ?? BY_CLASS[row.cost];
  return executor !== null && gen === 7 ? fromGen7(row.name, executor) : executor;
}

export function compileExecutors(table: CommandTable): ExecutorTable {
  const names = new Set(COMMANDS.map(({ name }) => name));
  for (const name of Object.keys(EXECUTORS))
    if (!names.has(name)) throw new XengtError('XENGT_E_TABLE', `The model executes ${name}, which is no command.`);
  const { rows } = table;
  return {
    executors: rows.map((row) => (row === undefined ? null : executorOf(row, table.platform.gen))),
    isState: Uint8Array.from(rows, (row) => (row?.cost === 'state' ? 1 : 0)),
    neverPredicated: Uint8Array.from(rows, (row) => (row !== undefined && NOT_PREDICATED.has(row.name) ? 1 : 0)),
    isIdle: Uint8Array.from(rows, (row) => (row !== undefined && IDLE.has(row.name) ? 1 : 0)),
  };
}
