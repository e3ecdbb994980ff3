/**
 * The engines of Gen8/Gen9 and where their register blocks start.
 * Source: Intel PRM SKL Vol 2c (register offsets per command streamer); public i915 intel_engine_regs.h.
 */
export const RCS = 0;
export const BCS = 1;
export const VCS = 2;
export const VECS = 3;
export const VCS2 = 4;

/** Index of an engine: dense, so that per-engine state is an array. */
export type EngineId = 0 | 1 | 2 | 3 | 4;

export interface EngineRow {
  readonly id: EngineId;
  readonly name: 'RCS' | 'BCS' | 'VCS' | 'VECS' | 'VCS2';
  /** First byte of the engine's register block in MMIO space. */
  readonly mmioBase: number;
  /** Bit in GDRST (0x941c) that resets it. */
  readonly resetBit: number;
  /** Self-clearing TLB invalidation register. */
  readonly tlbRegister: number;
  /** Pages of a logical ring context image, the per-process HWSP page included, by generation. */
  readonly contextPages: { readonly gen8: number; readonly gen9: number };
}

export const ENGINES: readonly EngineRow[] = [
  { id: RCS, name: 'RCS', mmioBase: 0x02000, resetBit: 1, tlbRegister: 0x4260, contextPages: { gen8: 20, gen9: 22 } },
  { id: BCS, name: 'BCS', mmioBase: 0x22000, resetBit: 3, tlbRegister: 0x426c, contextPages: { gen8: 2, gen9: 2 } },
  { id: VCS, name: 'VCS', mmioBase: 0x12000, resetBit: 2, tlbRegister: 0x4264, contextPages: { gen8: 2, gen9: 2 } },
  { id: VECS, name: 'VECS', mmioBase: 0x1a000, resetBit: 4, tlbRegister: 0x4270, contextPages: { gen8: 2, gen9: 2 } },
  { id: VCS2, name: 'VCS2', mmioBase: 0x1c000, resetBit: 7, tlbRegister: 0x4268, contextPages: { gen8: 2, gen9: 2 } },
];

/** Offsets from an engine's mmioBase. Source: PRM SKL Vol 2c, "command streamer" registers; i915 intel_engine_regs.h. */
export const RING = {
  TAIL: 0x30,
  HEAD: 0x34,
  START: 0x38,
  CTL: 0x3c,
  ACTHD_UDW: 0x5c,
  IPEIR: 0x64,
  IPEHR: 0x68,
  INSTDONE: 0x6c,
  ACTHD: 0x74,
  HWS_PGA: 0x80,
  NOPID: 0x94,
  HWSTAM: 0x98,
  MI_MODE: 0x9c,
  IMR: 0xa8,
  EIR: 0xb0,
  EMR: 0xb4,
  ESR: 0xb8,
  INSTPM: 0xc0,
  RESET_CTL: 0xd0,
  BBSTATE: 0x110,
  BBADDR: 0x140,
  BBADDR_UDW: 0x168,
  BB_PER_CTX_PTR: 0x1c0,
  INDIRECT_CTX: 0x1c4,
  INDIRECT_CTX_OFFSET: 0x1c8,
  ELSP: 0x230,
  EXECLIST_STATUS_LO: 0x234,
  EXECLIST_STATUS_HI: 0x238,
  CONTEXT_CONTROL: 0x244,
  PDP0_LDW: 0x270,
  PDP0_UDW: 0x274,
  MODE: 0x29c,
  TIMESTAMP: 0x358,
  TIMESTAMP_UDW: 0x35c,
  CONTEXT_STATUS_BUF: 0x370,
  CONTEXT_STATUS_PTR: 0x3a0,
  CTX_TIMESTAMP: 0x3a8,
  PREDICATE_RESULT_1: 0x41c,
  FORCE_TO_NONPRIV: 0x4d0,
  GPR0: 0x600,
} as const;
