/**
 * MI: the command streamer's own commands, on every engine unless a row says otherwise.
 * Source: PRM SKL Vol 2a "MI_*"; length field widths as real drivers use them (MI_FLUSH_DW 5:0, MI_STORE_DATA_IMM 9:0).
 */
import { type CommandRow, E, field, fixed, mi } from './types.js';

const display = { engines: E.RCS | E.BCS };
const render = { engines: E.RCS };

export const MI_COMMANDS: readonly CommandRow[] = [
  mi(0x00, 'MI_NOOP', fixed(1)),
  mi(0x01, 'MI_SET_PREDICATE', fixed(1), { handler: 'setPredicate' }),
  mi(0x02, 'MI_USER_INTERRUPT', fixed(1), { handler: 'userInterrupt' }),
  mi(0x03, 'MI_WAIT_FOR_EVENT', fixed(1), { ...display, handler: 'waitForEvent' }),
  mi(0x04, 'MI_FLUSH', fixed(1)),
  mi(0x05, 'MI_ARB_CHECK', fixed(1)),
  mi(0x06, 'MI_RS_CONTROL', fixed(1), render),
  mi(0x07, 'MI_REPORT_HEAD', fixed(1)),
  mi(0x08, 'MI_ARB_ON_OFF', fixed(1)),
  mi(0x09, 'MI_URB_ATOMIC_ALLOC', fixed(1), render),
  mi(0x0a, 'MI_BATCH_BUFFER_END', fixed(1), { handler: 'batchBufferEnd' }),
  mi(0x0b, 'MI_SUSPEND_FLUSH', fixed(1)),
  mi(0x0c, 'MI_PREDICATE', fixed(1), render),
  mi(0x0d, 'MI_TOPOLOGY_FILTER', fixed(1)),
  mi(0x0e, 'MI_SET_APPID', fixed(1)),
  mi(0x0f, 'MI_RS_CONTEXT', fixed(1), render),
  mi(0x12, 'MI_LOAD_SCAN_LINES_INCL', fixed(2), { ...display, handler: 'loadScanLines' }),
  mi(0x13, 'MI_LOAD_SCAN_LINES_EXCL', fixed(2), { ...display, handler: 'loadScanLines' }),
  mi(0x14, 'MI_DISPLAY_FLIP', field(8, 3, 4), { ...display, handler: 'displayFlip', addresses: [2] }),
  mi(0x16, 'MI_SEMAPHORE_MBOX', field(8, 3), { handler: 'refuse' }),
  mi(0x18, 'MI_SET_CONTEXT', field(8, 2), { ...render, handler: 'refuse', addresses: [1] }),
  mi(0x19, 'MI_URB_CLEAR', field(8, 2), render),
  mi(0x1a, 'MI_MATH', field(8)),
  mi(0x1b, 'MI_SEMAPHORE_SIGNAL', field(8, 2)),
  mi(0x1c, 'MI_SEMAPHORE_WAIT', field(8, 4), { handler: 'semaphoreWait', addresses: [2] }),
  mi(0x20, 'MI_STORE_DATA_IMM', field(10), { handler: 'storeDataImm', addresses: [1] }),
  mi(0x21, 'MI_STORE_DATA_INDEX', field(8), { handler: 'refuse' }),
  mi(0x22, 'MI_LOAD_REGISTER_IMM', field(8), { handler: 'loadRegisterImm' }),
  mi(0x23, 'MI_UPDATE_GTT', field(10), { handler: 'refuse' }),
  mi(0x24, 'MI_STORE_REGISTER_MEM', field(8, 4), { handler: 'storeRegisterMem', addresses: [2] }),
  mi(0x26, 'MI_FLUSH_DW', field(6, 4, 5), { handler: 'flushDw', addresses: [1] }),
  mi(0x27, 'MI_CLFLUSH', field(10), { handler: 'clflush', addresses: [1] }),
  mi(0x28, 'MI_REPORT_PERF_COUNT', field(6, 4), { handler: 'reportPerfCount', addresses: [1] }),
  mi(0x29, 'MI_LOAD_REGISTER_MEM', field(8, 4), { handler: 'loadRegisterMem', addresses: [2] }),
  mi(0x2a, 'MI_LOAD_REGISTER_REG', field(8, 3), { handler: 'loadRegisterReg' }),
  mi(0x2b, 'MI_RS_STORE_DATA_IMM', field(8, 4), { ...render, handler: 'refuse', addresses: [1] }),
  mi(0x2c, 'MI_LOAD_URB_MEM', field(8, 4), { ...render, handler: 'refuse', addresses: [2] }),
  mi(0x2d, 'MI_STORE_URB_MEM', field(8), { ...render, handler: 'refuse', addresses: [2] }),
  mi(0x2e, 'MI_COPY_MEM_MEM', field(8, 5), { handler: 'copyMemMem', addresses: [1, 3] }),
  mi(0x2f, 'MI_ATOMIC', field(8, 3, 11), { handler: 'atomic', addresses: [1] }),
  mi(0x31, 'MI_BATCH_BUFFER_START', field(8, 3), { handler: 'batchBufferStart', addresses: [1] }),
  mi(0x36, 'MI_CONDITIONAL_BATCH_BUFFER_END', field(8, 4), { handler: 'conditionalEnd', addresses: [2] }),
];
