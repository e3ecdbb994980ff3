/**
 * Command-streamer registers: one list relative to the engine's base, repeated for RCS, BCS, VCS, VECS and VCS2.
 * Source: PRM SKL Vol 2c "Command Reference: Registers" (ring buffer, execlist and preemption registers), public
 * i915 intel_engine_regs.h; which of them commands may reach: the register inventory of GVT-g (intel_gvt_mmio_table.c).
 */
import { P, P_ALL, P_BDW_UP, P_GEN9 } from '../platform.js';
import { INSTPM_SYNC_FLUSH, INSTPM_TLB_INVALIDATE, MODE_IDLE, RING7 } from '../rings.js';
import { perEngine } from './expand.js';
import { R, type RegisterRow } from './types.js';

const MODE = R.MODE_MASK | R.CMD;

const EVERY_ENGINE = [
  { name: 'RING_EXCC', offset: 0x28, flags: R.CMD },
  { name: 'RING_TAIL', offset: 0x30, write: 'ringTailWrite' },
  { name: 'RING_HEAD', offset: 0x34 },
  { name: 'RING_START', offset: 0x38, flags: R.GMADR },
  { name: 'RING_CTL', offset: 0x3c },
  { name: 'RING_SYNC_0', offset: 0x40, flags: R.CMD },
  { name: 'RING_SYNC_1', offset: 0x44, flags: R.CMD },
  { name: 'RING_PSMI_CTL', offset: 0x50 },
  { name: 'RING_PWRCTX_MAXCNT', offset: 0x54 },
  { name: 'RING_ACTHD_UDW', offset: 0x5c, platforms: P_BDW_UP, read: 'deviceRead' },
  { name: 'RING_DMA_FADD_UDW', offset: 0x60 },
  { name: 'RING_IPEIR', offset: 0x64 },
  { name: 'RING_IPEHR', offset: 0x68 },
  { name: 'RING_INSTDONE', offset: 0x6c, read: 'deviceRead' },
  { name: 'RING_INSTPS', offset: 0x70 },
  { name: 'RING_ACTHD', offset: 0x74, read: 'deviceRead' },
  { name: 'RING_DMA_FADD', offset: 0x78 },
  { name: 'RING_HWS_PGA', offset: 0x80, flags: R.GMADR, platforms: P_BDW_UP, write: 'hwsPgaWrite' },
  { name: 'RING_NOPID', offset: 0x94 },
  { name: 'RING_HWSTAM', offset: 0x98 },
  // Stop (bit 8) is answered with idle (bit 9): a driver waits for it before it resets the engine.
  { name: 'RING_MI_MODE', offset: 0x9c, mirror: [1 << 8, 1 << 9], flags: MODE, platforms: P_BDW_UP },
  { name: 'RING_IMR', offset: 0xa8, reset: 0xffffffff, write: 'irqImr' },
  { name: 'RING_EIR', offset: 0xb0, w1c: 0xffffffff },
  { name: 'RING_EMR', offset: 0xb4, reset: 0xffffffff },
  { name: 'RING_ESR', offset: 0xb8, flags: R.RO },
  // Ready follows the request at once: a vGPU's engine has nothing to drain.
  { name: 'RING_RESET_CTL', offset: 0xd0, writeMask: 1, mirror: [1, 2], flags: R.MODE_MASK, platforms: P_BDW_UP },
  { name: 'RING_CSFE_CHICKEN1', offset: 0xd4, flags: MODE, platforms: P_GEN9, write: 'csfeChicken' },
  { name: 'RING_BBSTATE', offset: 0x110 },
  { name: 'RING_SECOND_BBADDR', offset: 0x114 },
  { name: 'RING_SECOND_BBSTATE', offset: 0x118 },
  { name: 'RING_SECOND_BBADDR_UDW', offset: 0x11c },
  { name: 'RING_UHPTR', offset: 0x134, flags: R.CMD },
  { name: 'RING_BBADDR', offset: 0x140, flags: R.GMADR },
  { name: 'RING_BBADDR_UDW', offset: 0x168 },
  { name: 'RING_BB_PER_CTX_PTR', offset: 0x1c0, platforms: P_BDW_UP },
  { name: 'RING_INDIRECT_CTX', offset: 0x1c4, platforms: P_BDW_UP },
  { name: 'RING_INDIRECT_CTX_OFFSET', offset: 0x1c8, platforms: P_BDW_UP },
  { name: 'RING_ECOSKPD', offset: 0x1d0 },
  // Haswell's address-space register: commands may load it, with the shadow's directory in the place of the guest's.
  { name: 'RING_PP_DIR_BASE', offset: 0x228, flags: R.CMD | R.CMD_PATCH, platforms: P.HSW },
  { name: 'RING_PP_DIR_BASE', offset: 0x228, platforms: P_BDW_UP },
  { name: 'RING_ELSP', offset: 0x230, platforms: P_BDW_UP, write: 'elspWrite' },
  { name: 'RING_EXECLIST_STATUS', offset: 0x234, size: 8, flags: R.RO, platforms: P_BDW_UP },
  { name: 'RING_CONTEXT_CONTROL', offset: 0x244, flags: R.CMD, platforms: P_BDW_UP },
  // Four pairs of low and high dword, entry 0 first.
  { name: 'RING_PDP', offset: 0x270, size: 32, flags: R.CMD, platforms: P_BDW_UP },
  { name: 'RING_MODE', offset: 0x29c, flags: MODE | R.CMD_PATCH, write: 'ringModeWrite' },
  { name: 'RING_TIMESTAMP', offset: 0x358, flags: R.CMD, read: 'deviceRead' },
  { name: 'RING_TIMESTAMP_UDW', offset: 0x35c, flags: R.CMD, read: 'deviceRead' },
  { name: 'RING_CONTEXT_STATUS_BUF', offset: 0x370, size: 48, flags: R.RO, platforms: P_BDW_UP },
  { name: 'RING_CONTEXT_STATUS_PTR', offset: 0x3a0, flags: R.MODE_MASK, platforms: P_BDW_UP, write: 'csbPtrWrite' },
  { name: 'RING_CTX_TIMESTAMP', offset: 0x3a8, platforms: P_BDW_UP },
  { name: 'RING_PREDICATE_RESULT_1', offset: 0x41c, platforms: P_BDW_UP },
  // Sixteen 64-bit scratch registers of MI_MATH. They travel with the context, so commands may use them everywhere.
  { name: 'RING_GPR', offset: 0x600, size: 128, flags: R.CMD, platforms: P_BDW_UP },
] as const satisfies readonly RegisterRow[];

const RCS_VARIANT = [
  { name: 'RING_INSTPM', offset: 0xc0, flags: MODE | R.IN_CTX, platforms: P_BDW_UP },
  { name: 'RING_PP_DCLV', offset: 0x220, flags: R.CMD, platforms: P_BDW_UP },
  // Twelve slots. The kernel driver fills them from its ring too, so commands may write them, checked by the handler.
  {
    name: 'RING_FORCE_TO_NONPRIV',
    offset: 0x4d0,
    size: 48,
    flags: R.CMD | R.CMD_PATCH,
    platforms: P_BDW_UP,
    write: 'forceNonpriv',
  },
] as const satisfies readonly RegisterRow[];

const OTHERS_VARIANT = [
  { name: 'RING_INSTPM', offset: 0xc0, flags: MODE, platforms: P_BDW_UP },
  { name: 'RING_FORCE_TO_NONPRIV', offset: 0x4d0, size: 48, platforms: P_BDW_UP, write: 'forceNonpriv' },
] as const satisfies readonly RegisterRow[];

/** Watchdog counter and threshold. */
const counter = (platforms: number) =>
  [
    { name: 'RING_CTR_CTL', offset: 0x178, flags: R.CMD, platforms },
    { name: 'RING_CTR_THRSH', offset: 0x17c, flags: R.CMD, platforms },
  ] as const satisfies readonly RegisterRow[];

const BCS_AND_VCS = [
  { name: 'RING_PP_DCLV', offset: 0x220, flags: R.CMD, platforms: P_BDW_UP },
] as const satisfies readonly RegisterRow[];

/** Flushes and TLB invalidations are over when the write is: their bits read back clear. */
const HASWELL = [
  {
    name: 'RING_INSTPM',
    offset: 0xc0,
    writeMask: 0xffff & ~(INSTPM_SYNC_FLUSH | INSTPM_TLB_INVALIDATE),
    flags: MODE,
    platforms: P.HSW,
  },
  // Idle is the ring's own affair: drivers look at it before they ask for a flush.
  {
    name: 'RING_MI_MODE',
    offset: 0x9c,
    writeMask: 0xffff & ~MODE_IDLE,
    reset: MODE_IDLE,
    flags: MODE,
    platforms: P.HSW,
    write: 'ringStopWrite',
  },
  { name: 'RING_PP_DCLV', offset: RING7.PP_DCLV, flags: R.CMD | R.CMD_PATCH, platforms: P.HSW },
] as const satisfies readonly RegisterRow[];

const ONE_ENGINE = [
  { name: 'BSD_RNCID', offset: 0x12198, flags: R.GMADR | R.CMD },
  { name: 'BCS_SWCTRL', offset: 0x22200, flags: R.CMD },
] as const satisfies readonly RegisterRow[];

export const ENGINE_ROWS: readonly RegisterRow[] = [
  ...perEngine(EVERY_ENGINE),
  ...perEngine(RCS_VARIANT, 'RCS'),
  ...perEngine(OTHERS_VARIANT, 'BCS', 'VCS', 'VECS', 'VCS2'),
  ...perEngine(counter(P_ALL), 'RCS', 'VCS'),
  ...perEngine(counter(P_BDW_UP), 'BCS', 'VECS', 'VCS2'),
  ...perEngine(BCS_AND_VCS, 'BCS', 'VCS'),
  ...perEngine(HASWELL),
  ...ONE_ENGINE,
];
