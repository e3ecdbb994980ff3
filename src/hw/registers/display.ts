/**
 * Display as a whole: chicken bits, compression, buffer and watermarks, power wells, clocks and PLLs, backlight, audio,
 * and the display microcontroller's memory.
 * Source: PRM SKL Vol 12 "Display" and Vol 2c; public i915_reg.h, display/intel_display_power_well.c.
 */
import { P, P_BDW_UP, P_GEN9 } from '../platform.js';
import { unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

/** Request in bit 31, state in bit 30. */
const ENABLED = [0x80000000, 0x40000000] as const;
/** PG2, PG1, DDI D, C, B, A/E, misc I/O: request in the odd bit, state in the even bit below. */
const WELLS = [0xa00002aa, 0x50000155] as const;

const CONTROL = [
  { name: 'VGACNTRL', offset: 0x41000 },
  // Fuse download finished, power gates 0, 1 and 2 up (SKL_FUSE_STATUS).
  { name: 'FUSE_STATUS', offset: 0x42000, reset: 0x8e000000, writeMask: 0, platforms: P_GEN9 },
  { name: 'DISPLAY_CHICKEN1', offset: 0x42000, platforms: P.HSW | P.BDW },
  { name: 'DISPLAY_CHICKEN2', offset: 0x42004 },
  { name: 'FUSE_STRAP', offset: 0x42014, flags: R.RO },
  { name: 'DSPCLK_GATE_D', offset: 0x42020 },
  { name: 'CHICKEN_PAR1_1', offset: 0x42080 },
  // Bit 31: an access that nobody claimed; cleared by writing 1.
  { name: 'FPGA_DBG', offset: 0x42300, w1c: 0x80000000 },
  { name: 'DPFC_CB_BASE', offset: 0x43200 },
  { name: 'DPFC_CONTROL', offset: 0x43208 },
  { name: 'DPFC_RECOMP_CTL', offset: 0x4320c },
  { name: 'DPFC_STATUS', offset: 0x43210 },
  { name: 'DPFC_FENCE_YOFF', offset: 0x43218 },
  { name: 'DPFC_CHICKEN', offset: 0x43224 },
  { name: 'IPS_CTL', offset: 0x43408 },
] as const satisfies readonly RegisterRow[];

const BUFFER_AND_WELLS = [
  { ...unnamed(0x44500), platforms: P_GEN9 },
  { name: 'DISP_ARB_CTL', offset: 0x45000 },
  { name: 'DISP_ARB_CTL2', offset: 0x45004 },
  { name: 'DBUF_CTL', offset: 0x45008, mirror: ENABLED, platforms: P_GEN9 },
  { name: 'WM0_PIPE_A', offset: 0x45100 },
  { name: 'WM0_PIPE_B', offset: 0x45104 },
  { name: 'WM1_LP', offset: 0x45108 },
  { name: 'WM2_LP', offset: 0x4510c },
  { name: 'WM3_LP', offset: 0x45110 },
  { name: 'WM1S_LP', offset: 0x45120 },
  { name: 'WM2S_LP', offset: 0x45124 },
  { name: 'WM3S_LP', offset: 0x45128 },
  { name: 'WM0_PIPE_C', offset: 0x45200 },
  { name: 'WM_MISC', offset: 0x45260, platforms: P.HSW | P.BDW },
  { name: 'WM_LINETIME_A', offset: 0x45270 },
  { name: 'WM_LINETIME_B', offset: 0x45274 },
  { name: 'WM_LINETIME_C', offset: 0x45278 },
  // Gen8 has one well, Gen9 seven; each requester has its own register.
  { name: 'PWR_WELL_CTL1', offset: 0x45400, mirror: ENABLED, platforms: P.HSW | P.BDW },
  { name: 'PWR_WELL_CTL1', offset: 0x45400, writeMask: WELLS[0], mirror: WELLS, platforms: P_GEN9 },
  { name: 'PWR_WELL_CTL2', offset: 0x45404, mirror: ENABLED, platforms: P.HSW | P.BDW },
  { name: 'PWR_WELL_CTL2', offset: 0x45404, writeMask: WELLS[0], mirror: WELLS, platforms: P_GEN9 },
  { name: 'PWR_WELL_CTL3', offset: 0x45408, mirror: ENABLED, platforms: P.HSW | P.BDW },
  { name: 'PWR_WELL_CTL3', offset: 0x45408, writeMask: WELLS[0], mirror: WELLS, platforms: P_GEN9 },
  { name: 'PWR_WELL_CTL4', offset: 0x4540c, mirror: ENABLED, platforms: P.HSW | P.BDW },
  { name: 'PWR_WELL_CTL4', offset: 0x4540c, writeMask: WELLS[0], mirror: WELLS, platforms: P_GEN9 },
  { name: 'PWR_WELL_CTL5', offset: 0x45410, platforms: P.HSW | P.BDW },
  { name: 'PWR_WELL_CTL6', offset: 0x45414, platforms: P.HSW | P.BDW },
  { name: 'DC_STATE_EN', offset: 0x45504, platforms: P_GEN9 },
  { name: 'DC_STATE_DEBUG', offset: 0x45520, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const CLOCKS = [
  { name: 'CDCLK_CTL', offset: 0x46000, platforms: P_GEN9 },
  // DPLL0 runs from boot: the display clock comes from it.
  { name: 'LCPLL1_CTL', offset: 0x46010, reset: 0xc0000000, writeMask: 0x80000000, mirror: ENABLED, platforms: P_GEN9 },
  { name: 'LCPLL2_CTL', offset: 0x46014, writeMask: 0x80000000, mirror: ENABLED, platforms: P_GEN9 },
  { name: 'SPLL_CTL', offset: 0x46020 },
  { name: 'WRPLL_CTL1', offset: 0x46040 },
  { name: 'WRPLL_CTL2', offset: 0x46060 },
  { name: 'PORT_CLK_SEL_A', offset: 0x46100 },
  { name: 'PORT_CLK_SEL_B', offset: 0x46104 },
  { name: 'PORT_CLK_SEL_C', offset: 0x46108 },
  { name: 'PORT_CLK_SEL_D', offset: 0x4610c },
  { name: 'PORT_CLK_SEL_E', offset: 0x46110 },
  { name: 'TRANS_CLK_SEL_A', offset: 0x46140 },
  { name: 'TRANS_CLK_SEL_B', offset: 0x46144 },
  { name: 'TRANS_CLK_SEL_C', offset: 0x46148 },
  { name: 'NDE_RSTWRN_OPT', offset: 0x46408 },
  { name: 'CHICKEN_DCPR_1', offset: 0x46430, platforms: P_GEN9 },
  unnamed(0x46508),
  { ...unnamed(0x46520), platforms: P_GEN9 },
  { name: 'DISPIO_CR_TX_BMU_CR0', offset: 0x6c00c, platforms: P_GEN9 },
  { name: 'DPLL1_CFGCR1', offset: 0x6c040, platforms: P_GEN9 },
  { name: 'DPLL1_CFGCR2', offset: 0x6c044, platforms: P_GEN9 },
  { name: 'DPLL2_CFGCR1', offset: 0x6c048, platforms: P_GEN9 },
  { name: 'DPLL2_CFGCR2', offset: 0x6c04c, platforms: P_GEN9 },
  { name: 'DPLL3_CFGCR1', offset: 0x6c050, platforms: P_GEN9 },
  { name: 'DPLL3_CFGCR2', offset: 0x6c054, platforms: P_GEN9 },
  // DPLL0: override, link rate 1350 (VCO 8100 MHz).
  { name: 'DPLL_CTRL1', offset: 0x6c058, reset: 0x3, platforms: P_GEN9 },
  { name: 'DPLL_CTRL2', offset: 0x6c05c, platforms: P_GEN9 },
  { name: 'DPLL_STATUS', offset: 0x6c060, flags: R.RO, platforms: P_GEN9, read: 'dpllStatus' },
] as const satisfies readonly RegisterRow[];

const PANEL = [
  { name: 'BLC_PWM_CPU_CTL2', offset: 0x48250 },
  { name: 'BLC_PWM_CPU_CTL', offset: 0x48254 },
  { name: 'HISTOGRAM_THRSH', offset: 0x48268 },
  { ...unnamed(0x48400), platforms: P_BDW_UP },
  unnamed(0x48800),
  { name: 'SWF', offset: 0x4f000, size: 144 },
  { name: 'DFSM', offset: 0x51000, flags: R.RO, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

const AUDIO = [
  { name: 'AUD_CFG_A', offset: 0x65000 },
  { name: 'AUD_MISC_CTRL_A', offset: 0x65010 },
  unnamed(0x65050),
  unnamed(0x650b4),
  { name: 'AUD_PIN_ELD_CP_VLD', offset: 0x650c0 },
  { ...unnamed(0x65900), platforms: P_GEN9 },
  { ...unnamed(0x65f00), platforms: P_GEN9 },
  { ...unnamed(0x65f08), platforms: P_GEN9 },
  { ...unnamed(0x65f10), platforms: P_BDW_UP },
  unnamed(0x6651c),
  { ...unnamed(0x6671c), platforms: P_BDW_UP },
  { ...unnamed(0x66c00), platforms: P_BDW_UP },
  { ...unnamed(0x66c04), platforms: P_BDW_UP },
  unnamed(0x6e400),
  unnamed(0x6e544),
  { ...unnamed(0x6e554), platforms: P_GEN9 },
  { ...unnamed(0x6e560), platforms: P_GEN9 },
  { ...unnamed(0x6e570), platforms: P_BDW_UP },
] as const satisfies readonly RegisterRow[];

const DMC = [
  { name: 'DMC_PROGRAM', offset: 0x80000, size: 0x3000, platforms: P_GEN9 },
  { name: 'DMC_HTP', offset: 0x8f004, platforms: P_GEN9 },
  { name: 'DMC_LAST_WRITE', offset: 0x8f034, platforms: P_GEN9 },
  { name: 'DMC_SSP_BASE', offset: 0x8f074, platforms: P_GEN9 },
] as const satisfies readonly RegisterRow[];

export const DISPLAY_ROWS: readonly RegisterRow[] = [
  ...CONTROL,
  ...BUFFER_AND_WELLS,
  ...CLOCKS,
  ...PANEL,
  ...AUDIO,
  ...DMC,
];
