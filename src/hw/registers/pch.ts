/**
 * The south display (PCH): straps, GPIO and GMBUS, sideband, panel power, PCH transcoders and FDI receivers.
 * FDI serves the analogue port of Gen7/Gen8 boards only; a vGPU has none, so link training is plain storage.
 * Source: PRM BDW/SKL Vol 2c "South Display"; public i915_reg.h; fixed answers of unnamed registers: GVT-g's inventory.
 */
import { P } from '../platform.js';
import { PIPES, perInstance, unnamed } from './expand.js';
import { R, type RegisterRow } from './types.js';

const A_AND_B = PIPES.slice(0, 2);

const CONTROL = [
  { name: 'SOUTH_CHICKEN1', offset: 0xc2000 },
  // FDI PHY reset: status follows control.
  { name: 'SOUTH_CHICKEN2', offset: 0xc2004, mirror: [0x1000, 0x2000] },
  // Ports B, C and D are strapped in by the virtual display.
  { name: 'SFUSE_STRAP', offset: 0xc2014, reset: 0x7, flags: R.RO },
  { name: 'SOUTH_DSPCLK_GATE_D', offset: 0xc2020 },
] as const satisfies readonly RegisterRow[];

const I2C_AND_SIDEBAND = [
  // GPIO A..F: bit-banged I2C.
  { name: 'GPIO', offset: 0xc5010, size: 24, flags: R.UNALIGNED, read: 'gpio', write: 'gpio' },
  { name: 'GMBUS0', offset: 0xc5100, read: 'gmbus', write: 'gmbus' },
  { name: 'GMBUS1', offset: 0xc5104, read: 'gmbus', write: 'gmbus' },
  { name: 'GMBUS2', offset: 0xc5108, read: 'gmbus', write: 'gmbus' },
  { name: 'GMBUS3', offset: 0xc510c, read: 'gmbus', write: 'gmbus' },
  { name: 'GMBUS4', offset: 0xc5110, read: 'gmbus', write: 'gmbus' },
  { name: 'GMBUS5', offset: 0xc5120, read: 'gmbus', write: 'gmbus' },
  { name: 'SBI_ADDR', offset: 0xc6000 },
  { name: 'SBI_DATA', offset: 0xc6004 },
  { name: 'SBI_CTL_STAT', offset: 0xc6008, write: 'sbiCtl' },
] as const satisfies readonly RegisterRow[];

const CLOCKS_AND_PANEL = [
  { name: 'PCH_DPLL_A', offset: 0xc6014 },
  { name: 'PCH_DPLL_B', offset: 0xc6018 },
  { name: 'PIXCLK_GATE', offset: 0xc6020 },
  { name: 'PCH_FPA0', offset: 0xc6040 },
  { name: 'PCH_FPA1', offset: 0xc6044 },
  { name: 'PCH_FPB0', offset: 0xc6048 },
  { name: 'PCH_FPB1', offset: 0xc604c },
  { name: 'PCH_DREF_CONTROL', offset: 0xc6200 },
  { name: 'PCH_RAWCLK_FREQ', offset: 0xc6204 },
  { name: 'PCH_DPLL_SEL', offset: 0xc7000 },
  { name: 'PP_STATUS', offset: 0xc7200, flags: R.RO },
  { name: 'PP_CONTROL', offset: 0xc7204, write: 'ppControl' },
  { name: 'PP_ON_DELAYS', offset: 0xc7208 },
  { name: 'PP_OFF_DELAYS', offset: 0xc720c },
  { name: 'PP_DIVISOR', offset: 0xc7210 },
  { name: 'BLC_PWM_PCH_CTL1', offset: 0xc8250 },
  { name: 'BLC_PWM_PCH_CTL2', offset: 0xc8254 },
  unnamed(0xce044),
] as const satisfies readonly RegisterRow[];

const TRANSCODER = [
  { name: 'PCH_TRANS_HTOTAL', offset: 0xe0000 },
  { name: 'PCH_TRANS_HBLANK', offset: 0xe0004 },
  { name: 'PCH_TRANS_HSYNC', offset: 0xe0008 },
  { name: 'PCH_TRANS_VTOTAL', offset: 0xe000c },
  { name: 'PCH_TRANS_VBLANK', offset: 0xe0010 },
  { name: 'PCH_TRANS_VSYNC', offset: 0xe0014 },
  { name: 'PCH_TRANS_VSYNCSHIFT', offset: 0xe0028 },
  { name: 'PCH_DATA_M1', offset: 0xe0030 },
  { name: 'PCH_DATA_N1', offset: 0xe0034 },
  { name: 'PCH_DATA_M2', offset: 0xe0038 },
  { name: 'PCH_DATA_N2', offset: 0xe003c },
  { name: 'PCH_LINK_M1', offset: 0xe0040 },
  { name: 'PCH_LINK_N1', offset: 0xe0044 },
  { name: 'PCH_LINK_M2', offset: 0xe0048 },
  { name: 'PCH_LINK_N2', offset: 0xe004c },
] as const satisfies readonly RegisterRow[];

const PER_PIPE = [
  { name: 'PCH_VIDEO_DIP_CTL', offset: 0xe0200 },
  { name: 'PCH_VIDEO_DIP_DATA', offset: 0xe0208 },
  { name: 'PCH_VIDEO_DIP_GCP', offset: 0xe0210 },
  { name: 'TRANS_DP_CTL', offset: 0xe0300 },
  { name: 'FDI_RX_CTL', offset: 0xf000c },
  { name: 'FDI_RX_IIR', offset: 0xf0014, w1c: 0xffffffff },
  { name: 'FDI_RX_IMR', offset: 0xf0018 },
] as const satisfies readonly RegisterRow[];

const FDI = [
  { name: 'PCH_TRANSCONF', offset: 0xf0008, mirror: [0x80000000, 0x40000000] },
  { name: 'FDI_RX_MISC', offset: 0xf0010 },
  { name: 'FDI_RX_TUSIZE1', offset: 0xf0030 },
  { name: 'FDI_RX_TUSIZE2', offset: 0xf0038 },
  { name: 'TRANS_CHICKEN1', offset: 0xf0060 },
  { name: 'TRANS_CHICKEN2', offset: 0xf0064 },
] as const satisfies readonly RegisterRow[];

const PORTS = [
  // The forced hotplug detection is over at once (bit 16 never sticks) and finds no analogue monitor (25:24, read-only).
  { name: 'PCH_ADPA', offset: 0xe1100, writeMask: 0xfcfeffff, platforms: P.HSW | P.BDW },
  { name: 'PCH_LVDS', offset: 0xe1180 },
  { name: 'DP_BUFTRANS', offset: 0xe4f00, size: 40 },
  unnamed(0xe6500),
  unnamed(0xe6504),
  { ...unnamed(0xe651c), reset: 0x20000, writeMask: 0 },
  unnamed(0xe6600),
  unnamed(0xe6604),
  { ...unnamed(0xe661c), reset: 0x20000, writeMask: 0 },
  unnamed(0xe6700),
  unnamed(0xe6704),
  { ...unnamed(0xe671c), reset: 0x20000, writeMask: 0 },
  unnamed(0xe6800),
  unnamed(0xe6804),
  { ...unnamed(0xe681c), reset: 0x20000, writeMask: 0 },
  { ...unnamed(0xe6c04), reset: 0x3, writeMask: 0 },
  { ...unnamed(0xe6e1c), reset: 0x2f0000, writeMask: 0 },
] as const satisfies readonly RegisterRow[];

/** Sideband-tuned I/O buffers: names are not public. */
const IO_BUFFERS = [
  unnamed(0xec008),
  unnamed(0xec00c),
  unnamed(0xec020),
  unnamed(0xec024),
  unnamed(0xec038),
  unnamed(0xec03c),
  unnamed(0xec050),
  unnamed(0xec054),
  unnamed(0xec408),
  unnamed(0xec40c),
  unnamed(0xec420),
  unnamed(0xec424),
  unnamed(0xec438),
  unnamed(0xec43c),
  unnamed(0xec450),
  unnamed(0xec454),
  unnamed(0xfc810),
  unnamed(0xfc81c),
  unnamed(0xfc828),
  unnamed(0xfc834),
  unnamed(0xfcc00),
  unnamed(0xfcc0c),
  unnamed(0xfcc18),
  unnamed(0xfcc24),
  unnamed(0xfd000),
  unnamed(0xfd00c),
  unnamed(0xfd018),
  unnamed(0xfd024),
  unnamed(0xfd034),
] as const satisfies readonly RegisterRow[];

export const PCH_ROWS: readonly RegisterRow[] = [
  ...CONTROL,
  ...I2C_AND_SIDEBAND,
  ...CLOCKS_AND_PANEL,
  ...perInstance(TRANSCODER, A_AND_B),
  ...perInstance(PER_PIPE, PIPES),
  ...perInstance(FDI, A_AND_B),
  ...PORTS,
  ...IO_BUFFERS,
];
