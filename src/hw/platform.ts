/**
 * The platforms, one row each: what differs between them is data here and a `platforms` column in the other tables.
 * Source: PCI ids and GT2 defaults from public i915_pciids.h; GGTT and aperture sizes from PRM "Memory Views".
 */
import { BCS, type EngineId, RCS, VCS, VECS } from './engines.js';

/** Bit sets for `platforms` columns. */
export const P = { HSW: 1, BDW: 2, SKL: 4, KBL: 8, CFL: 16, CML: 32, BXT: 64 } as const;
export const P_ALL = 127;
/** Gen9 with big-core display (south PCH). */
export const P_SKL_CLASS = P.SKL | P.KBL | P.CFL | P.CML;
export const P_GEN9 = P_SKL_CLASS | P.BXT;
export const P_BDW_UP = P.BDW | P_GEN9;

export type PlatformName = 'HSW' | 'BDW' | 'SKL' | 'KBL' | 'CFL' | 'CML' | 'BXT';

export interface Platform {
  readonly name: PlatformName;
  readonly bit: number;
  readonly gen: 7 | 8 | 9;
  /**
   * Whether vGPUs of this platform can be made. Where not, its tables are for reading its command streams:
   * Broxton has display PHYs and PLLs that the virtual display does not answer for.
   */
  readonly hostsVgpus: boolean;
  /** PCI device id that a vGPU shows: a GT2 part, so that the guest expects one VCS. */
  readonly deviceId: number;
  readonly revision: number;
  readonly engines: readonly EngineId[];
  /** Prefix of vGPU type names, as GVT-g has them: V4 for Gen8, V5 for Gen9; V3 counts on from there for Gen7. */
  readonly typePrefix: 'V3' | 'V4' | 'V5';
  /** Port that carries the virtual DP monitor (index into DDI A..E). */
  readonly monitorPort: 'B' | 'D';
  /** RING_MODE bits that would take submission out of the mediator's hands. Source: public GVT-g handlers.c, ring mode. */
  readonly forbiddenModeBits: number;
  /** Entries of the global GTT: 4 GiB of graphics address space, on Haswell 2 GiB. */
  readonly ggttEntries: number;
  /**
   * Whether a batch may be taken off the engine before its end and go on later. i915 itself does so from Gen9 on; on Broadwell
   * arbitration must be off while a context is restored (public i915 gen8_engine_cs.c, WaDisableCtxRestoreArbitration).
   */
  readonly preemptsBatches: boolean;
  /** Bytes of BAR 0: registers in its first 2 MiB, the GGTT's entries from its middle on. */
  readonly bar0Bytes: number;
  /** Largest aperture that its drivers take, MiB. Source: public i915 gt/intel_ggtt.c: Gen6 and Gen7 have 64 to 512. */
  readonly mostApertureMiB: number;
  /** How work reaches the engines: lists of contexts, or ring buffers whose tail is moved. */
  readonly submission: 'execlists' | 'rings';
  /** Frequency of the command streamers' timestamp counter, Hz. Source: PRM "Timestamp Bases". */
  readonly timestampHz: number;
}

const common = {
  engines: [RCS, BCS, VCS, VECS],
  hostsVgpus: true,
  ggttEntries: 0x100000,
  forbiddenModeBits: 1,
  bar0Bytes: 0x100_0000,
  mostApertureMiB: 2048,
  submission: 'execlists',
  preemptsBatches: false,
} as const;
const gen9 = {
  ...common,
  gen: 9,
  typePrefix: 'V5',
  monitorPort: 'D',
  timestampHz: 12_000_000,
  preemptsBatches: true,
} as const;

export const PLATFORMS: readonly Platform[] = [
  {
    ...common,
    name: 'HSW',
    bit: P.HSW,
    gen: 7,
    deviceId: 0x0412,
    revision: 6,
    typePrefix: 'V3',
    monitorPort: 'B',
    ggttEntries: 0x80000,
    bar0Bytes: 0x40_0000,
    mostApertureMiB: 512,
    submission: 'rings',
    timestampHz: 12_500_000,
  },
  {
    ...common,
    name: 'BDW',
    bit: P.BDW,
    gen: 8,
    deviceId: 0x1616,
    revision: 9,
    typePrefix: 'V4',
    monitorPort: 'B',
    timestampHz: 12_500_000,
  },
  { ...gen9, name: 'SKL', bit: P.SKL, deviceId: 0x1912, revision: 6 },
  { ...gen9, name: 'KBL', bit: P.KBL, deviceId: 0x5912, revision: 4 },
  { ...gen9, name: 'CFL', bit: P.CFL, deviceId: 0x3e92, revision: 0, forbiddenModeBits: 3 },
  { ...gen9, name: 'CML', bit: P.CML, deviceId: 0x9bc5, revision: 5, forbiddenModeBits: 3 },
  {
    ...gen9,
    name: 'BXT',
    bit: P.BXT,
    hostsVgpus: false,
    deviceId: 0x5a84,
    revision: 0xb,
    monitorPort: 'B',
    timestampHz: 19_200_000,
  },
];

/** Those that an operator can choose. */
export const VGPU_PLATFORMS: readonly Platform[] = PLATFORMS.filter((platform) => platform.hostsVgpus);

export function platformByName(name: string): Platform | undefined {
  return PLATFORMS.find((platform) => platform.name === name.toUpperCase());
}
