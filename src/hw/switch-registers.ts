/**
 * Registers that change hands with an engine: each vGPU has its own value, the device holds the running one's. Registers
 * that the logical ring context image carries are not here, nor are those that the mediator keeps for itself (RING_MODE,
 * HWS_PGA, HWSTAM). Source: PRM SKL Vol 2c (per-engine, not context-saved registers); public GVT-g mmio_context.c lists.
 */
import { BCS, type EngineId, RCS, VCS, VCS2, VECS } from './engines.js';
import { P, P_BDW_UP, P_GEN9 } from './platform.js';

export interface SwitchRow {
  readonly engine: EngineId;
  readonly offset: number;
  /** Consecutive dwords from `offset` on. */
  readonly count: number;
  /** High half enables writes to the low half. */
  readonly masked: boolean;
  readonly platforms: number;
}

const row = (engine: EngineId, offset: number, platforms: number, extra: Partial<SwitchRow> = {}): SwitchRow => ({
  engine,
  offset,
  count: 1,
  masked: false,
  platforms,
  ...extra,
});
const masked = { masked: true };
/** Memory object control state. */
const mocs = (count: number) => ({ count });

export const SWITCH_REGISTERS: readonly SwitchRow[] = [
  row(RCS, 0x2248, P_BDW_UP),
  row(RCS, 0x24d0, P_BDW_UP, { count: 12 }),
  row(RCS, 0x20ec, P_GEN9, masked),
  row(RCS, 0x20d4, P_GEN9, masked),
  row(RCS, 0x20e4, P_GEN9, masked),
  row(RCS, 0x20a0, P_GEN9),
  row(RCS, 0x940c, P_GEN9),
  row(RCS, 0x4ab0, P_GEN9),
  row(RCS, 0x4ab8, P_GEN9),
  row(RCS, 0x40e0, P_GEN9, { count: 2 }),
  row(RCS, 0xb004, P_GEN9, { count: 2 }),
  row(RCS, 0xb118, P_GEN9, { count: 2 }),
  row(RCS, 0x20c0, P.BDW, masked),
  row(RCS, 0x7000, P.BDW, masked),
  row(RCS, 0x7004, P.BDW, masked),
  row(RCS, 0x7008, P.BDW, masked),
  row(RCS, 0x7010, P.BDW, masked),
  row(RCS, 0x7300, P.BDW, masked),
  row(RCS, 0x83a4, P.BDW, masked),
  row(RCS, 0xc800, P_GEN9, mocs(64)),
  row(RCS, 0xb020, P_GEN9, mocs(32)),
  row(BCS, 0x2209c, P_BDW_UP, masked),
  row(BCS, 0x220c0, P_BDW_UP, masked),
  row(BCS, 0x22028, P_BDW_UP, masked),
  row(BCS, 0xcc00, P_GEN9, mocs(64)),
  row(VCS, 0xc900, P_GEN9, mocs(64)),
  row(VCS2, 0x1c028, P_GEN9, masked),
  row(VCS2, 0xca00, P_GEN9, mocs(64)),
  row(VECS, 0x1a028, P_GEN9, masked),
  row(VECS, 0xcb00, P_GEN9, mocs(64)),
];
