/**
 * Which registers a privileged command stream may reach, compiled to one byte per dword of the register window and per
 * engine. The base is the caller's table of registers open to commands; the rows below override it where a plain
 * "may be written" would break isolation, and widen it where real drivers need a register that is safe.
 *
 * Engines are kept apart: a stream of one engine never reaches another engine's register block (another guest may run
 * there), and only the render engine reaches the shared 3D state; i915 programs those from the render ring alone.
 */
import { ENGINES, type EngineId, P, P_ALL, P_GEN9, type Platform, RCS, RING, RING7 } from '../hw/index.js';
import type { Trust } from './command-policy.js';
import { UNPRIVILEGED_REGISTERS } from './unprivileged-registers.js';

/** Bits of the caller's table, one byte per dword offset. */
export const CMD_ACCESS = 1;
export const CMD_PATCH = 2;

export const WINDOW_DWORDS = 0x80000;

/** Bits of the compiled policy. */
export const REG_READ = 1;
/** Any value from any source. */
export const REG_WRITE = 2;
/** Immediate values only, through ScanInput.onRegisterWrite. */
export const REG_PATCH = 4;
/** Immediate values only, by the rule of this kind. */
export const REG_KIND_SHIFT = 4;

export const KIND = {
  /** Immediate writes are redirected to a register that hardware ignores. */
  DISCARD: 1,
  /** Half of a page-table root: both halves together, translated to the shadow's. */
  ROOT: 2,
  /** Bits 31:12 are a page of graphics address, which must be the guest's own (0 is none). */
  GMADR_PAGE: 3,
  /** Tiled-resource translation: its tables are found by per-process address only. */
  TRTT_ENABLE: 4,
  /** Some bits must be zero. */
  VALUE: 5,
} as const;

/** A write here has no effect on hardware (the PVINFO page). Source: public gvt documentation of the PVINFO page. */
export const DISCARD_REGISTER = 0x78000;

interface PolicyRow {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  /** 'engine': offset from the own engine's mmioBase; 'others': from each other's, for the render engine; 'shared': absolute. */
  readonly at: 'engine' | 'others' | 'shared';
  readonly policy: number;
  readonly platforms?: number;
}

const kind = (value: number): number => value << REG_KIND_SHIFT;

/** Source: PRM SKL Vol 2c for the registers; why a row deviates is said beside it. */
const POLICY_ROWS: readonly PolicyRow[] = [
  // context-saved scratch of the command streamer itself: MI_MATH and indirect draws live on it
  { name: 'CS_GPR', at: 'engine', offset: RING.GPR0, bytes: 128, policy: REG_READ | REG_WRITE },
  // counters that all guests share: readable, never writable
  { name: 'TIMESTAMP', at: 'engine', offset: RING.TIMESTAMP, bytes: 8, policy: REG_READ },
  { name: 'CTX_TIMESTAMP', at: 'engine', offset: RING.CTX_TIMESTAMP, bytes: 4, policy: REG_READ },
  // the shadow's root must neither be read nor replaced
  { name: 'PDP', at: 'engine', offset: RING.PDP0_LDW, bytes: 32, policy: kind(KIND.ROOT) },
  // the mediator's own status page address
  { name: 'HWS_PGA', at: 'engine', offset: RING.HWS_PGA, bytes: 4, policy: 0 },
  // moves the ring's head
  { name: 'UHPTR', at: 'engine', offset: 0x134, bytes: 4, policy: 0 },
  // would load a context image by its address: legacy submission only
  { name: 'CCID', at: 'shared', offset: 0x2180, bytes: 4, policy: 0 },
  { name: '3D_ADDRESS_2148', at: 'shared', offset: 0x2148, bytes: 4, policy: REG_READ | kind(KIND.GMADR_PAGE) },
  { name: 'GEN7_HWS_PGA_VCS', at: 'shared', offset: 0x4180, bytes: 4, policy: kind(KIND.GMADR_PAGE) },
  { name: 'GEN7_HWS_PGA_BCS', at: 'shared', offset: 0x4280, bytes: 4, policy: kind(KIND.GMADR_PAGE) },
  { name: 'GEN7_HWS_PGA_VECS', at: 'shared', offset: 0x4380, bytes: 4, policy: kind(KIND.GMADR_PAGE) },
  {
    name: 'TRTTE',
    at: 'shared',
    offset: 0x4df4,
    bytes: 4,
    policy: REG_READ | kind(KIND.TRTT_ENABLE),
    platforms: P_GEN9,
  },
  // host's business: display event masks and power
  { name: 'DERRMR', at: 'shared', offset: 0x44050, bytes: 4, policy: kind(KIND.DISCARD) },
  { name: 'FORCEWAKE_MT', at: 'shared', offset: 0xa188, bytes: 4, policy: kind(KIND.DISCARD) },
  {
    name: 'FORCEWAKE_MEDIA_GEN9',
    at: 'shared',
    offset: 0xa270,
    bytes: 4,
    policy: kind(KIND.DISCARD),
    platforms: P_GEN9,
  },
  {
    name: 'FORCEWAKE_RENDER_GEN9',
    at: 'shared',
    offset: 0xa278,
    bytes: 4,
    policy: kind(KIND.DISCARD),
    platforms: P_GEN9,
  },
  // Haswell's drivers keep the other engines awake while a context is switched: the mediator's are never asleep
  {
    name: 'PSMI_CTL',
    at: 'others',
    offset: RING7.PSMI_CTL,
    bytes: 4,
    policy: REG_READ | kind(KIND.DISCARD),
    platforms: P.HSW,
  },
  // what was taken out passes again as it stands
  { name: 'DISCARDED', at: 'shared', offset: DISCARD_REGISTER, bytes: 4, policy: kind(KIND.DISCARD) },
];

/**
 * Performance counters of the whole device, which drivers program in the render ring when somebody opens i915's perf interface.
 * A vGPU has none: nothing is counted, and power of slices is not a guest's to gate. First register and bytes: NOA_CONFIG;
 * R_PWR_CLK_STATE and WAIT_FOR_RC6_EXIT; OACTXCONTROL; start and report triggers and the counters' conditions; OA_PERFCNT and
 * OA_PERFMATRIX; the event multiplexers, MICRO_BP0_0 to NOA_WRITE; EU_PERF_CNTL0 to 6.
 * Source: public i915 i915_perf.c, i915_perf_oa_regs.h.
 */
const PERFORMANCE: readonly (readonly [offset: number, bytes: number])[] = [
  [0xd00, 0x30],
  [0x20c8, 8],
  [0x2360, 4],
  [0x2710, 0xa0],
  [0x91b8, 0x18],
  [0x9800, 0x8c],
  [0xe458, 8],
  [0xe558, 8],
  [0xe658, 8],
  [0xe758, 4],
];

/** Shared registers that the other engines may reach too: the memory object control tables. */
const MOCS_FIRST = 0xc800;
const MOCS_END = 0xd000;
const BLOCK_BYTES = 0x1000;

export interface RegisterPolicy {
  /** REG_* bits and kind, by dword offset. */
  readonly access: Uint8Array;
  /** For registers of KIND.VALUE. */
  mustBeZero(register: number): number;
}

/** @param cmdAccess CMD_* bits by dword offset, WINDOW_DWORDS long: what rings and privileged batches start from */
export function compileRegisterPolicy(
  platform: Platform,
  engine: EngineId,
  trust: Trust,
  cmdAccess: Uint8Array,
): RegisterPolicy {
  if (trust === 'ppgtt' || trust === 'haswell') return compileUnprivileged(platform, engine);
  return { access: compilePrivileged(platform, engine, cmdAccess), mustBeZero: () => 0 };
}

function compileUnprivileged(platform: Platform, engine: EngineId): RegisterPolicy {
  const access = new Uint8Array(WINDOW_DWORDS);
  const zero = new Map<number, number>();
  for (const row of UNPRIVILEGED_REGISTERS) {
    if ((row.platforms & platform.bit) === 0 || (row.engines & (1 << engine)) === 0) continue;
    const first = (row.at === 'engine' ? ENGINES[engine]!.mmioBase : 0) + row.offset;
    const bits =
      row.access === 'read' ? REG_READ : row.mustBeZero === undefined ? REG_READ | REG_WRITE : kind(KIND.VALUE);
    for (let at = first; at < first + row.bytes; at += 4) access[at / 4]! |= bits;
    if (row.mustBeZero !== undefined) zero.set(first, row.mustBeZero);
  }
  return { access, mustBeZero: (register) => zero.get(register) ?? 0 };
}

function compilePrivileged(platform: Platform, engine: EngineId, cmdAccess: Uint8Array): Uint8Array {
  const policy = cmdAccess.map(plain);
  if (engine !== RCS) {
    const own = ENGINES[engine]!.mmioBase;
    policy.fill(0, 0, own / 4);
    policy.fill(0, (own + BLOCK_BYTES) / 4);
    for (let at = MOCS_FIRST; at < MOCS_END; at += 4) policy[at / 4] = plain(cmdAccess[at / 4]!);
  }
  const rows = POLICY_ROWS.filter((row) => ((row.platforms ?? P_ALL) & platform.bit) !== 0);
  for (const row of rows) {
    if (row.at === 'others') continue;
    const discard = row.policy === kind(KIND.DISCARD);
    if (row.at === 'shared' && engine !== RCS && !discard) continue;
    const base = row.at === 'engine' ? ENGINES[engine]!.mmioBase : 0;
    policy.fill(row.policy, (base + row.offset) / 4, (base + row.offset + row.bytes) / 4);
  }
  for (const other of ENGINES) {
    if (other.id === engine) continue;
    policy.fill(0, other.mmioBase / 4, (other.mmioBase + BLOCK_BYTES) / 4);
    if (engine !== RCS) continue;
    for (const { at, offset, bytes, policy: access } of rows) {
      const first = (other.mmioBase + offset) / 4;
      if (at === 'others') policy.fill(access, first, first + bytes / 4);
    }
  }
  if (platform.gen === 7 && engine === RCS) openPromoted(policy, platform);
  if (platform.gen > 7 && engine === RCS) {
    // the wait for the multiplexers ends by a predicated jump; processes may write it too
    const predicate = (ENGINES[RCS]!.mmioBase + RING.PREDICATE_RESULT_1) / 4;
    if (policy[predicate] === 0) policy[predicate] = REG_READ | REG_WRITE;
    for (const [offset, bytes] of PERFORMANCE) {
      for (let at = offset / 4; at < (offset + bytes) / 4; at++) if (policy[at] === 0) policy[at] = kind(KIND.DISCARD);
    }
  }
  return policy;
}

/**
 * Haswell's kernel driver judges batches of processes by itself, and has those that pass executed as its own (public i915
 * i915_cmd_parser.c): what processes may write, such a batch may, though it is a privileged one.
 */
function openPromoted(policy: Uint8Array, platform: Platform): void {
  const { access } = compileUnprivileged(platform, RCS);
  for (let i = 0; i < WINDOW_DWORDS; i++) {
    if (policy[i] === 0 && (access[i]! & REG_WRITE) !== 0) policy[i] = REG_READ | REG_WRITE;
  }
}

/** What CMD_* bits come to. */
function plain(access: number): number {
  if ((access & CMD_PATCH) !== 0) return REG_READ | REG_PATCH;
  return (access & CMD_ACCESS) !== 0 ? REG_READ | REG_WRITE : 0;
}
