/**
 * MI: the command streamer's own commands, on every engine unless a row says otherwise. Haswell has 32-bit addresses, and so
 * its own form of whatever carries one.
 * Source: PRM HSW, BDW and SKL Vol 2a "MI_*"; Mesa genxml gen75, gen8, gen9; length field widths and short forms as real
 * drivers use them (MI_FLUSH_DW 5:0, MI_STORE_DATA_IMM 9:0).
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { addr32, addr48, between, type CommandRow, E, field, fixed, mi } from './types.js';

const display = { engines: E.RCS | E.BCS };
const render = { engines: E.RCS };
const hsw = { platforms: P.HSW };
const gen8 = { platforms: P_BDW_UP };
const gen9 = { platforms: P_GEN9 };

/** Bit 22 of the header: global GTT. */
const useGgtt = { dword: 0, bit: 22 };
const access4 = { select: useGgtt, align: 4, extent: 4 } as const;
const reads4 = { ...access4, access: 'read' } as const;
const writes4 = { ...access4, access: 'write' } as const;
const storesData = { select: useGgtt, align: 4, extent: 'dataDwords', access: 'write' } as const;
/** A dword; with the mask mode of Gen9, a quadword. */
const compares = { select: useGgtt, align: 8, extent: 8 } as const;
const flushes = { select: { dword: 1, bit: 2 }, align: 8, extent: 'postSync', access: 'write' } as const;
/** Largest report format. Source: PRM SKL Vol 14 "OA Report Formats". */
const reports = { select: { dword: 1, bit: 0 }, align: 64, extent: 256, access: 'write' } as const;
const contexts = addr32(1, { space: 'ggtt', align: 4096, extent: 'context', access: 'modify' });
const urb = { align: 64, extent: 64 } as const;
const runs = {
  select: { dword: 0, bit: 8, ppgttWhenSet: true },
  align: 4,
  extent: 'batch',
  access: 'execute',
} as const;

/** Register first, then memory: where the register stands is the same in all generations. */
const storeRegister = { handler: 'storeRegisterMem', registers: [{ dword: 1, access: 'read' }] } as const;
const loadRegister = { handler: 'loadRegisterMem', registers: [{ dword: 1, access: 'write' }] } as const;

export const MI_COMMANDS: readonly CommandRow[] = [
  mi(0x00, 'MI_NOOP', fixed(1)),
  mi(0x01, 'MI_SET_PREDICATE', fixed(1), { handler: 'setPredicate' }),
  mi(0x02, 'MI_USER_INTERRUPT', fixed(1), { handler: 'userInterrupt' }),
  mi(0x03, 'MI_WAIT_FOR_EVENT', fixed(1), { ...display, handler: 'waitForEvent' }),
  mi(0x04, 'MI_FLUSH', fixed(1)),
  mi(0x05, 'MI_ARB_CHECK', fixed(1)),
  mi(0x06, 'MI_RS_CONTROL', fixed(1), render),
  mi(0x07, 'MI_REPORT_HEAD', fixed(1)),
  mi(0x08, 'MI_ARB_ON_OFF', fixed(1), { handler: 'arbitration' }),
  mi(0x09, 'MI_URB_ATOMIC_ALLOC', fixed(1), render),
  mi(0x0a, 'MI_BATCH_BUFFER_END', fixed(1), { handler: 'batchBufferEnd' }),
  mi(0x0b, 'MI_SUSPEND_FLUSH', fixed(1)),
  mi(0x0c, 'MI_PREDICATE', fixed(1), render),
  mi(0x0d, 'MI_TOPOLOGY_FILTER', fixed(1)),
  mi(0x0e, 'MI_SET_APPID', fixed(1)),
  mi(0x0f, 'MI_RS_CONTEXT', fixed(1), render),
  mi(0x12, 'MI_LOAD_SCAN_LINES_INCL', field(6, 2), { ...display, handler: 'loadScanLines' }),
  mi(0x13, 'MI_LOAD_SCAN_LINES_EXCL', field(6, 2), { ...display, handler: 'loadScanLines' }),
  mi(0x14, 'MI_DISPLAY_FLIP', field(8, 3, 4), {
    ...display,
    handler: 'displayFlip',
    addresses: [addr32(2, { space: 'ggtt', align: 4096, extent: 'surface', every: 1 })],
  }),
  mi(0x16, 'MI_SEMAPHORE_MBOX', field(8, 3), { handler: 'refuse' }),
  // How rings switch contexts; lists of contexts do without.
  mi(0x18, 'MI_SET_CONTEXT', field(8, 2), { ...render, ...hsw, handler: 'setContext', addresses: [contexts] }),
  mi(0x18, 'MI_SET_CONTEXT', field(8, 2), { ...render, ...gen8, handler: 'refuse', addresses: [contexts] }),
  mi(0x19, 'MI_URB_CLEAR', field(8, 2), render),
  // Haswell's field is 5:0; what lies above must be zero, so that nobody can disagree about the length.
  mi(0x1a, 'MI_MATH', field(8, ...between(2, 65)), hsw),
  mi(0x1a, 'MI_MATH', field(8), gen8),
  mi(0x1b, 'MI_SEMAPHORE_SIGNAL', field(8, 2), gen8),
  mi(0x1c, 'MI_SEMAPHORE_WAIT', field(8, 4), { ...gen8, handler: 'semaphoreWait', addresses: [addr48(2, reads4)] }),
  mi(0x1d, 'MI_FORCE_WAKEUP', field(8, 2), { ...gen9, handler: 'refuse' }),

  // A dword or a quadword, behind a reserved dword; later any number of them.
  mi(0x20, 'MI_STORE_DATA_IMM', field(10, 4, 5), {
    ...hsw,
    handler: 'storeDataImm',
    addresses: [addr32(2, storesData)],
  }),
  mi(0x20, 'MI_STORE_DATA_IMM', field(10), { ...gen8, handler: 'storeDataImm', addresses: [addr48(1, storesData)] }),
  mi(0x21, 'MI_STORE_DATA_INDEX', field(8, 3, 4), { ...hsw, handler: 'storeDataIndex' }),
  mi(0x21, 'MI_STORE_DATA_INDEX', field(8, 3, 4), { ...gen8, handler: 'refuse' }),
  mi(0x22, 'MI_LOAD_REGISTER_IMM', field(8), {
    handler: 'loadRegisterImm',
    registers: [{ dword: 1, access: 'immediatePairs' }],
  }),
  mi(0x23, 'MI_UPDATE_GTT', field(10), { handler: 'refuse' }),
  mi(0x24, 'MI_STORE_REGISTER_MEM', field(8, 3), { ...hsw, ...storeRegister, addresses: [addr32(2, writes4)] }),
  mi(0x24, 'MI_STORE_REGISTER_MEM', field(8, 4), { ...gen8, ...storeRegister, addresses: [addr48(2, writes4)] }),
  // Post-sync data is a dword or a quadword; without post-sync operation the header and one dword will do on Gen8+.
  mi(0x26, 'MI_FLUSH_DW', field(6, 3, 4), { ...hsw, handler: 'flushDw', addresses: [addr32(1, flushes)] }),
  mi(0x26, 'MI_FLUSH_DW', field(6, 2, 4, 5), { ...gen8, handler: 'flushDw', addresses: [addr48(1, flushes)] }),
  mi(0x27, 'MI_CLFLUSH', field(10), {
    handler: 'clflush',
    addresses: [addr48(1, { select: useGgtt, align: 4096, extent: 4096, access: 'modify' })],
  }),
  mi(0x28, 'MI_REPORT_PERF_COUNT', field(6, 3), {
    ...hsw,
    handler: 'reportPerfCount',
    addresses: [addr32(1, reports)],
  }),
  mi(0x28, 'MI_REPORT_PERF_COUNT', field(6, 4), {
    ...gen8,
    handler: 'reportPerfCount',
    addresses: [addr48(1, reports)],
  }),
  mi(0x29, 'MI_LOAD_REGISTER_MEM', field(8, 3), { ...hsw, ...loadRegister, addresses: [addr32(2, reads4)] }),
  mi(0x29, 'MI_LOAD_REGISTER_MEM', field(8, 4), { ...gen8, ...loadRegister, addresses: [addr48(2, reads4)] }),
  mi(0x2a, 'MI_LOAD_REGISTER_REG', field(8, 3), {
    handler: 'loadRegisterReg',
    registers: [
      { dword: 1, access: 'read' },
      { dword: 2, access: 'write' },
    ],
  }),
  mi(0x2b, 'MI_RS_STORE_DATA_IMM', field(8, 4), {
    ...render,
    ...hsw,
    handler: 'refuse',
    addresses: [addr32(2, { align: 4, extent: 4, access: 'write' })],
  }),
  mi(0x2b, 'MI_RS_STORE_DATA_IMM', field(8, 4), {
    ...render,
    ...gen8,
    handler: 'refuse',
    addresses: [addr48(1, { align: 4, extent: 4, access: 'write' })],
  }),
  mi(0x2c, 'MI_LOAD_URB_MEM', field(8, 3), { ...render, ...hsw, handler: 'refuse', addresses: [addr32(2, urb)] }),
  mi(0x2c, 'MI_LOAD_URB_MEM', field(8, 4), { ...render, ...gen8, handler: 'refuse', addresses: [addr48(2, urb)] }),
  mi(0x2d, 'MI_STORE_URB_MEM', field(8, 3), {
    ...render,
    ...hsw,
    handler: 'refuse',
    addresses: [addr32(2, { ...urb, access: 'write' })],
  }),
  mi(0x2d, 'MI_STORE_URB_MEM', field(8, 4), {
    ...render,
    ...gen8,
    handler: 'refuse',
    addresses: [addr48(2, { ...urb, access: 'write' })],
  }),
  mi(0x2e, 'MI_COPY_MEM_MEM', field(8, 5), {
    ...gen8,
    handler: 'copyMemMem',
    addresses: [addr48(1, { ...writes4, select: { dword: 0, bit: 21 } }), addr48(3, reads4)],
  }),
  mi(0x2f, 'MI_ATOMIC', field(8, 3, 11), {
    ...gen8,
    handler: 'atomic',
    addresses: [addr48(1, { select: useGgtt, align: 4, extent: 'atomicOperand', access: 'modify' })],
  }),
  mi(0x31, 'MI_BATCH_BUFFER_START', field(8, 2), { ...hsw, handler: 'batchBufferStart', addresses: [addr32(1, runs)] }),
  mi(0x31, 'MI_BATCH_BUFFER_START', field(8, 3), {
    ...gen8,
    handler: 'batchBufferStart',
    addresses: [addr48(1, runs)],
  }),
  mi(0x36, 'MI_CONDITIONAL_BATCH_BUFFER_END', field(8, 3), {
    ...hsw,
    handler: 'conditionalEnd',
    addresses: [addr32(2, compares)],
  }),
  mi(0x36, 'MI_CONDITIONAL_BATCH_BUFFER_END', field(8, 4), {
    ...gen8,
    handler: 'conditionalEnd',
    addresses: [addr48(2, compares)],
  }),
];
