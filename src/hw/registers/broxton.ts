/**
 * Broxton only: the DDI PHYs, their PLLs, and the display PLL. These rows map the addresses and the lock bits that follow
 * an enable; the fan-out of group registers to lanes is not modelled, as Broxton hosts no vGPUs.
 * Source: PRM BXT Vol 2c; public i915_reg.h, display/bxt_dpio_phy_regs.h.
 */
import { P } from '../platform.js';
import { type Instance, perInstance } from './expand.js';
import type { RegisterRow } from './types.js';

const platforms = P.BXT;
/** PLL enable in bit 31, lock in bit 30. */
const LOCK = [0x80000000, 0x40000000] as const;

const SINGLE = [
  { name: 'BXT_DE_PLL_ENABLE', offset: 0x46070, mirror: LOCK, platforms },
  { name: 'BXT_PORT_PLL_ENABLE_A', offset: 0x46074, mirror: LOCK, platforms },
  { name: 'BXT_PORT_PLL_ENABLE_B', offset: 0x46078, mirror: LOCK, platforms },
  { name: 'BXT_PORT_PLL_ENABLE_C', offset: 0x4607c, mirror: LOCK, platforms },
  { name: 'BXT_DSI_PLL_ENABLE', offset: 0x46080, platforms },
  { name: 'CLKGATE_DIS_0', offset: 0x46530, platforms },
  { name: 'CLKGATE_DIS_4', offset: 0x4653c, platforms },
  { name: 'BXT_PHY_CTL_A', offset: 0x64c00, platforms },
  { name: 'BXT_PHY_CTL_B', offset: 0x64c10, platforms },
  { name: 'BXT_PHY_CTL_C', offset: 0x64c20, platforms },
  { name: 'BXT_PHY_CTL_FAMILY_PHY1', offset: 0x64c80, platforms },
  { name: 'BXT_PHY_CTL_FAMILY_PHY0', offset: 0x64c90, platforms },
  { name: 'BXT_DE_PLL_CTL', offset: 0x6d000, platforms },
  { name: 'BXT_DSI_PLL_CTL', offset: 0x161000, platforms },
] as const satisfies readonly RegisterRow[];

const PHY = [
  { name: 'BXT_PORT_CL1CM_DW0', offset: 0x000, platforms },
  { name: 'BXT_PORT_CL1CM_DW9', offset: 0x024, platforms },
  { name: 'BXT_PORT_CL1CM_DW10', offset: 0x028, platforms },
  { name: 'BXT_PORT_CL1CM_DW28', offset: 0x070, platforms },
  { name: 'BXT_PORT_CL1CM_DW30', offset: 0x078, platforms },
  { name: 'BXT_PORT_REF_DW3', offset: 0x18c, platforms },
  { name: 'BXT_PORT_REF_DW6', offset: 0x198, platforms },
  { name: 'BXT_PORT_REF_DW8', offset: 0x1a0, platforms },
  { name: 'BXT_PORT_CL2CM_DW6', offset: 0x358, platforms },
] as const satisfies readonly RegisterRow[];

const EBB = [
  { name: 'BXT_PORT_PLL_EBB_0', offset: 0, platforms },
  { name: 'BXT_PORT_PLL_EBB_4', offset: 4, platforms },
] as const satisfies readonly RegisterRow[];

const PLL = [0, 1, 2, 3, 6, 8, 9, 10].map((n) => ({ name: `BXT_PORT_PLL_${n}`, offset: 4 * n, platforms }));

const LANES = [
  { name: 'BXT_PORT_PCS_DW10_LN01', offset: 0x028, platforms },
  { name: 'BXT_PORT_PCS_DW12_LN01', offset: 0x030, platforms },
  { name: 'BXT_PORT_TX_DW2_LN_0', offset: 0x108, platforms },
  { name: 'BXT_PORT_TX_DW3_LN_0', offset: 0x10c, platforms },
  { name: 'BXT_PORT_TX_DW4_LN_0', offset: 0x110, platforms },
  { name: 'BXT_PORT_TX_DW14_LN_0', offset: 0x138, platforms },
  { name: 'BXT_PORT_TX_DW14_LN_1', offset: 0x1b8, platforms },
  { name: 'BXT_PORT_PCS_DW12_LN23', offset: 0x230, platforms },
  { name: 'BXT_PORT_TX_DW14_LN_2', offset: 0x338, platforms },
  { name: 'BXT_PORT_TX_DW14_LN_3', offset: 0x3b8, platforms },
] as const satisfies readonly RegisterRow[];

const GROUP = [
  { name: 'BXT_PORT_PCS_DW10_GRP', offset: 0x028, platforms },
  { name: 'BXT_PORT_PCS_DW12_GRP', offset: 0x030, platforms },
  { name: 'BXT_PORT_TX_DW2_GRP', offset: 0x108, platforms },
  { name: 'BXT_PORT_TX_DW3_GRP', offset: 0x10c, platforms },
  { name: 'BXT_PORT_TX_DW4_GRP', offset: 0x110, platforms },
] as const satisfies readonly RegisterRow[];

/** Two PHYs; PHY0 has two channels. */
const channels = (phy0ch0: number, phy0ch1: number, phy1ch0: number): readonly Instance[] => [
  ['PHY0_CH0', phy0ch0],
  ['PHY0_CH1', phy0ch1],
  ['PHY1_CH0', phy1ch0],
];

export const BROXTON_ROWS: readonly RegisterRow[] = [
  ...SINGLE,
  ...perInstance(PHY, [
    ['PHY0', 0x6c000],
    ['PHY1', 0x162000],
  ]),
  ...perInstance(EBB, channels(0x6c034, 0x6c340, 0x162034)),
  ...perInstance(PLL, channels(0x6c100, 0x6c380, 0x162100)),
  ...perInstance(LANES, channels(0x6c400, 0x6c800, 0x162400)),
  ...perInstance(GROUP, channels(0x6cc00, 0x6ce00, 0x162c00)),
];
