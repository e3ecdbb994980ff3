/**
 * DDI ports A..E and their AUX channels. Before Gen9 only port A's channel is in the north display; B..D are in the PCH.
 * Source: PRM SKL Vol 2c "DDI_BUF_CTL", "DDI_AUX_CTL", "DP_TP_CTL"; public i915_reg.h.
 */
import { P, P_GEN9 } from '../platform.js';
import { type Instance, perInstance } from './expand.js';
import type { RegisterRow } from './types.js';

const PORTS: readonly Instance[] = [
  ['A', 0x64000],
  ['B', 0x64100],
  ['C', 0x64200],
  ['D', 0x64300],
  ['E', 0x64400],
];

const PORT = [
  // Bit 7: idle.
  { name: 'DDI_BUF_CTL', offset: 0x00, reset: 0x80, write: 'ddiBufCtl' },
  { name: 'DP_TP_CTL', offset: 0x40, write: 'dpTpCtl' },
  // Bits 27, 26 and 24 (ACT sent) are cleared by writing 1; the rest is the port's to say.
  { name: 'DP_TP_STATUS', offset: 0x44, writeMask: 0, w1c: 0x0d000000 },
] as const satisfies readonly RegisterRow[];

const aux = (platforms: number) =>
  [
    { name: 'DP_AUX_CH_CTL', offset: 0x0, platforms, write: 'auxCtl' },
    { name: 'DP_AUX_CH_DATA', offset: 0x4, size: 20, platforms },
  ] as const satisfies readonly RegisterRow[];

const AUX_NORTH: readonly Instance[] = [
  ['B', 0x64110],
  ['C', 0x64210],
  ['D', 0x64310],
];
const AUX_PCH: readonly Instance[] = [
  ['B', 0xe4110],
  ['C', 0xe4210],
  ['D', 0xe4310],
];

const SINGLE = [
  { name: 'DP_AUX_CH_CTL_A', offset: 0x64010, write: 'auxCtl' },
  { name: 'DP_AUX_CH_DATA_A', offset: 0x64014, size: 20 },
  // Ten pairs of dwords per port.
  { name: 'DDI_BUF_TRANS_A', offset: 0x64e00, size: 80 },
  { name: 'DDI_BUF_TRANS_B', offset: 0x64e60, size: 80 },
  { name: 'DDI_BUF_TRANS_C', offset: 0x64ec0, size: 80 },
  { name: 'DDI_BUF_TRANS_D', offset: 0x64f20, size: 80 },
  { name: 'DDI_BUF_TRANS_E', offset: 0x64f80, size: 80 },
] as const satisfies readonly RegisterRow[];

export const PORT_ROWS: readonly RegisterRow[] = [
  ...perInstance(PORT, PORTS),
  ...perInstance(aux(P_GEN9), AUX_NORTH),
  ...perInstance(aux(P.HSW | P.BDW), AUX_PCH),
  ...SINGLE,
];
