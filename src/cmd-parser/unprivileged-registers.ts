/**
 * Registers that batches of a process may reach. What a row opens is saved and restored with the context (so nobody else sees
 * a change), or it is a counter or a status that can only be read. Everything else is closed: the ring's own registers, page
 * table roots, other engines, the display, power management.
 *
 * Sources: PRM HSW/BDW/SKL Vol 2 register reference, "non-privileged" and "context saved" columns; the registers that public
 * drivers load from batches (Mesa genxml register definitions; the media driver's status reports); for Gen7 and the Gen9
 * blitter the kernel's published command-parser lists; for Gen9 the registers that i915 opens by FORCE_TO_NONPRIV.
 */
import { ENGINE_SET, P, P_BDW_UP, P_GEN9 } from '../hw/index.js';

export interface UnprivilegedRow {
  readonly name: string;
  /** 'engine': offset from each engine's mmioBase; 'shared': absolute. */
  readonly at: 'engine' | 'shared';
  readonly offset: number;
  readonly bytes: number;
  readonly access: 'read' | 'write';
  readonly engines: number;
  readonly platforms: number;
  /** Immediate values only, and these bits of them clear. */
  readonly mustBeZero?: number;
}

const { ALL, RCS, BCS, VCS, VECS } = ENGINE_SET;
const GEN7 = P.HSW;
const EVERY = GEN7 | P_BDW_UP;

type Range = readonly [name: string, offset: number, bytes: number];

const rows = (
  at: UnprivilegedRow['at'],
  access: UnprivilegedRow['access'],
  engines: number,
  platforms: number,
  ranges: readonly Range[],
): UnprivilegedRow[] =>
  ranges.map(([name, offset, bytes]) => ({ name, at, offset, bytes, access, engines, platforms }));

export const UNPRIVILEGED_REGISTERS: readonly UnprivilegedRow[] = [
  // --- written: operands of the command streamer itself, part of the context
  ...rows('engine', 'write', ALL, P_BDW_UP, [
    ['CS_GPR', 0x600, 128],
    ['MI_PREDICATE_SRC0..RESULT_1', 0x400, 0x20],
    ['NOPID', 0x94, 4],
  ]),
  ...rows('shared', 'write', RCS, GEN7, [
    ['CS_GPR', 0x2600, 128],
    ['MI_PREDICATE_SRC0..RESULT_1', 0x2400, 0x20],
  ]),
  ...rows('engine', 'write', BCS, P_BDW_UP, [['BCS_SWCTRL', 0x200, 4]]),

  // --- written: parameters of indirect draws and dispatches, counters of the context's own pipeline
  ...rows('shared', 'write', RCS, EVERY, [
    ['3DPRIM_END_OFFSET', 0x2420, 4],
    ['3DPRIM_START_VERTEX..BASE_VERTEX', 0x2430, 0x14],
    ['GPGPU_DISPATCHDIM', 0x2500, 12],
    ['GPGPU_THREADS_DISPATCHED', 0x2290, 8],
    ['HS/DS_INVOCATION_COUNT', 0x2300, 16],
    ['IA_VERTICES..CL_PRIMITIVES, PS counts', 0x2310, 0x48],
    ['SO_NUM_PRIMS_WRITTEN', 0x5200, 32],
    ['SO_PRIM_STORAGE_NEEDED', 0x5240, 32],
    ['SO_WRITE_OFFSET', 0x5280, 16],
  ]),

  // --- written: modes of the context's own 3D pipeline, masked registers of the context image
  ...rows('shared', 'write', RCS, P_BDW_UP, [
    ['INSTPM', 0x20c0, 4],
    ['CS_DEBUG_MODE2', 0x20d8, 4],
    ['CS_CHICKEN1', 0x2580, 4],
    ['CACHE_MODE_0, CACHE_MODE_1, GT_MODE', 0x7000, 12],
    ['COMMON_SLICE_CHICKEN1', 0x7010, 8],
    ['L3CNTLREG', 0x7034, 4],
    ['HDC_CHICKEN0', 0x7300, 8],
  ]),
  ...rows('shared', 'write', RCS, P_GEN9, [
    ['CS_DEBUG_MODE1', 0x20ec, 4],
    ['CTX_PREEMPT', 0x2248, 4],
    ['COMMON_SLICE_CHICKEN4', 0x731c, 4],
    ['L3SQCREG4', 0xb118, 4],
    ['ROW_CHICKEN, SAMPLER_MODE', 0xe180, 0x10],
    ['HALF_SLICE_CHICKEN', 0xe194, 4],
    ['TRTT tables and invalid tiles, per-process addresses', 0x4de0, 0x14],
  ]),
  ...rows('shared', 'write', RCS, GEN7, [
    // the kernel driver's own batch that clears what a context left writes these (public i915 gt/gen7_renderclear.c)
    ['CACHE_MODE_0, CACHE_MODE_1', 0x7000, 8],
    ['L3SQCREG1', 0xb010, 4],
    ['L3CNTLREG2, L3CNTLREG3', 0xb020, 8],
  ]),
  // nothing but the switch for atomics in L3; ROW_CHICKEN3 is masked (public i915 Haswell command parser)
  {
    name: 'SCRATCH1',
    at: 'shared',
    offset: 0xb038,
    bytes: 4,
    access: 'write',
    engines: RCS,
    platforms: GEN7,
    mustBeZero: ~(1 << 27),
  },
  {
    name: 'ROW_CHICKEN3',
    at: 'shared',
    offset: 0xe49c,
    bytes: 4,
    access: 'write',
    engines: RCS,
    platforms: GEN7,
    mustBeZero: ~0x00400040,
  },

  // --- read only: time, progress and results
  ...rows('engine', 'read', ALL, EVERY, [
    ['TIMESTAMP', 0x358, 8],
    ['CTX_TIMESTAMP', 0x3a8, 4],
    ['NOPID', 0x94, 4],
    ['BB_STATE, BB_ADDR', 0x110, 0x60],
  ]),
  ...rows('shared', 'read', RCS, EVERY, [
    ['statistics of the pipeline', 0x2290, 0xd0],
    ['OA counters', 0x2800, 0x100],
    ['stream-out counters', 0x5200, 0x100],
    ['slice and EU fuses', 0x9120, 0x20],
  ]),
  // other streamers' clocks run alike: profilers read them to line up traces
  ...rows('shared', 'read', ALL, EVERY, [['RCS_TIMESTAMP', 0x2358, 8]]),
  ...rows('engine', 'read', VCS, EVERY, [['MFX and MFC status, byte counts, statistics and CRCs', 0x400, 0x8c0]]),
  ...rows('shared', 'read', VCS, P_GEN9, [
    ['HCP status and byte counts', 0x1e900, 0x300],
    ['HuC status', 0xd000, 0x400],
  ]),
  ...rows('engine', 'read', VECS, EVERY, [['VEBOX statistics', 0x400, 0x400]]),
];
