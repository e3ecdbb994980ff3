/**
 * The display engine as data: register offsets, bits, plane formats, link clocks and what a machine with one DP port shows
 * after reset. Gen9 with a south PCH, and BDW.
 * Source: PRM SKL/BDW Vol 2c (registers) and Vol 12 "Display"; public i915_reg.h and display/*_regs.h.
 */
import { P, P_ALL, P_GEN9 } from './platform.js';

export const PIPE_COUNT = 3;
/** Distance between the same register of two pipes (and of transcoders A to C). */
export const PIPE_STRIDE = 0x1000;
/** Distance between the same register of two ports. */
export const PORT_STRIDE = 0x100;

export type PortName = 'A' | 'B' | 'C' | 'D' | 'E';
export const PORTS: readonly PortName[] = ['A', 'B', 'C', 'D', 'E'];
export const portIndex = (port: PortName): number => PORTS.indexOf(port);

export interface TranscoderRow {
  readonly name: 'A' | 'B' | 'C' | 'EDP';
  /** Base of the timing and M/N registers. */
  readonly timing: number;
  /** TRANSCONF / PIPECONF. */
  readonly conf: number;
}

export const TRANSCODER_EDP = 3;
export const TRANSCODERS: readonly TranscoderRow[] = [
  { name: 'A', timing: 0x60000, conf: 0x70008 },
  { name: 'B', timing: 0x61000, conf: 0x71008 },
  { name: 'C', timing: 0x62000, conf: 0x72008 },
  { name: 'EDP', timing: 0x6f000, conf: 0x7f008 },
];

/** Offsets from a transcoder's `timing` base. PIPESRC belongs to the pipe, the rest to the transcoder. */
export const TRANS = {
  HTOTAL: 0x00,
  VTOTAL: 0x0c,
  VBLANK: 0x10,
  PIPESRC: 0x1c,
  LINK_M1: 0x40,
  LINK_N1: 0x44,
  DDI_FUNC_CTL: 0x400,
} as const;

export const CONF_ENABLE = 0x80000000;
export const CONF_STATE = 0x40000000;

/** TRANS_DDI_FUNC_CTL. */
export const FUNC_PORT_SHIFT = 28;
export const FUNC_MODE_SHIFT = 24;
export const FUNC_MODE_HDMI = 0;
export const FUNC_MODE_DVI = 1;
export const FUNC_MODE_DP_SST = 2;
export const FUNC_MODE_DP_MST = 3;
/** Input of the eDP transcoder, bits 14:12. */
export const EDP_INPUT_PIPE: Readonly<Record<number, number>> = { 0: 0, 4: 0, 5: 1, 6: 2 };

/** Registers of pipe A; add PIPE_STRIDE for B and C. */
export const PIPE = {
  DSL: 0x70000,
  FRAME_COUNT: 0x70040,
  FLIP_COUNT: 0x70044,
  CUR_CTL: 0x70080,
  CUR_BASE: 0x70084,
  CUR_POS: 0x70088,
  CUR_FBC_CTL: 0x700a0,
  CUR_SURFLIVE: 0x700ac,
  PLANE_CTL: 0x70180,
  PLANE_STRIDE: 0x70188,
  PLANE_POS: 0x7018c,
  PLANE_SIZE: 0x70190,
  PLANE_KEYMSK: 0x70198,
  PLANE_SURF: 0x7019c,
  PLANE_KEYMAX: 0x701a0,
  PLANE_OFFSET: 0x701a4,
  PLANE_SURFLIVE: 0x701ac,
  PLANE_AUX_DIST: 0x701c0,
  PLANE_AUX_OFFSET: 0x701c4,
  SPRITE_CTL: 0x70280,
  SPRITE_SURF: 0x7029c,
  SPRITE_SURFLIVE: 0x702ac,
} as const;

/** Distance between the same register of two planes of a pipe; BDW's sprite is where plane 2 is. */
export const PLANE_STRIDE = 0x100;
/** Planes of a pipe besides the cursor, the lowest first. */
export const GEN9_PLANES = 3;
export const BDW_PLANES = 2;

/** Coefficients of pipe A's matrix, two dwords a row; its mode; what is added behind it. */
export const PIPE_CSC = { COEFFICIENTS: 0x49010, MODE: 0x49028, POST_OFFSETS: 0x49040, STRIDE: 0x100 } as const;

/** Legacy palette of pipe A, 256 dwords of 8:8:8, index and data of its fine palette, and its mode register; pipes are 0x800 apart. */
export const PALETTE = { BASE: 0x4a000, INDEX: 0x4a400, DATA: 0x4a404, GAMMA_MODE: 0x4a480, STRIDE: 0x800 } as const;

/**
 * CRC of each picture of pipe A; pipes are PIPE_STRIDE apart. The fields of the sources, bits 30:28 of Gen9 and 30:29 of Gen8,
 * select a plane, the lowest first, or all that the pipe sends.
 * Source: public i915 display/intel_pipe_crc_regs.h.
 */
export const PIPE_CRC = {
  CONTROL: 0x60050,
  RESULT: 0x60064,
  ENABLE: 0x80000000,
  GEN9_SOURCES: [0, undefined, 1, undefined, 'pipe', undefined, 2, undefined],
  BDW_SOURCES: [0, 1, 'pipe', undefined],
} as const;

/** Flip messages: offset -> [pipe, is it the primary plane]. */
export const FLIP_MESSAGES: Readonly<Record<number, readonly [pipe: number, primary: boolean]>> = {
  327808: [0, true],
  327816: [1, true],
  327820: [2, true],
  327824: [0, false],
  327832: [1, false],
  327836: [2, false],
};

export const PLANE_ENABLE = 0x80000000;
/** Both PLANE_CTL and DSPCNTR. */
export const PLANE_ASYNC_FLIP = 0x200;
/** The pipe's gamma correction applies: PLANE_CTL, DSPCNTR and SPRCTL. */
export const PLANE_GAMMA = 1 << 30;
/** The pipe's matrix applies: PLANE_CTL of Gen9; DSPCNTR and SPRCTL have it one bit further up. */
export const GEN9_PLANE_CSC = 1 << 23;
export const BDW_PLANE_CSC = 1 << 24;
/** YUV is of the full range: PLANE_CTL, SPRCTL. Source: PRM SKL Vol 2c "PLANE_CTL", YUV Range Correction Disable. */
export const PLANE_FULL_RANGE = 1 << 28;

/** What a pixel is made of. */
export type PixelFormat =
  | 'C8'
  | 'RGB565'
  | 'XRGB8888'
  | 'XBGR8888'
  | 'XRGB2101010'
  | 'XBGR2101010'
  /** 16-bit floating point a colour; blue or red in the lowest bits. */
  | 'XRGB16F'
  | 'XBGR16F'
  /** A byte of luma a pixel, and elsewhere two bytes of chroma for each two by two. */
  | 'NV12'
  | 'YUYV'
  | 'UYVY'
  | 'YVYU'
  | 'VYUY'
  /** 8 bits each, chroma for each pixel. */
  | 'XYUV';

export const BYTES_PER_PIXEL: Readonly<Record<PixelFormat, 1 | 2 | 4 | 8>> = {
  C8: 1,
  RGB565: 2,
  XRGB8888: 4,
  XBGR8888: 4,
  XRGB2101010: 4,
  XBGR2101010: 4,
  XRGB16F: 8,
  XBGR16F: 8,
  NV12: 1,
  YUYV: 2,
  UYVY: 2,
  YVYU: 2,
  VYUY: 2,
  XYUV: 4,
};

export interface PlaneFormatRow {
  /** Bits of the control register that tell the format, and their value. */
  readonly mask: number;
  readonly value: number;
  readonly format: PixelFormat;
  readonly platforms: number;
}

/** Those with one primary plane and one sprite a pipe. */
const P_BEFORE_GEN9 = P.HSW | P.BDW;

/**
 * Gen9 PLANE_CTL: source format 27:24, RGB order 20, YUV byte order 17:16. HSW and BDW DSPCNTR: format 29:26.
 */
export const PLANE_FORMATS: readonly PlaneFormatRow[] = [
  { mask: 0x0f030000, value: 0x00000000, format: 'YUYV', platforms: P_GEN9 },
  { mask: 0x0f030000, value: 0x00010000, format: 'UYVY', platforms: P_GEN9 },
  { mask: 0x0f030000, value: 0x00020000, format: 'YVYU', platforms: P_GEN9 },
  { mask: 0x0f030000, value: 0x00030000, format: 'VYUY', platforms: P_GEN9 },
  { mask: 0x0f000000, value: 0x01000000, format: 'NV12', platforms: P_GEN9 },
  { mask: 0x0f100000, value: 0x02000000, format: 'XRGB2101010', platforms: P_GEN9 },
  { mask: 0x0f100000, value: 0x02100000, format: 'XBGR2101010', platforms: P_GEN9 },
  { mask: 0x0f100000, value: 0x04000000, format: 'XRGB8888', platforms: P_GEN9 },
  { mask: 0x0f100000, value: 0x04100000, format: 'XBGR8888', platforms: P_GEN9 },
  { mask: 0x0f100000, value: 0x06000000, format: 'XRGB16F', platforms: P_GEN9 },
  { mask: 0x0f100000, value: 0x06100000, format: 'XBGR16F', platforms: P_GEN9 },
  { mask: 0x0f000000, value: 0x08000000, format: 'XYUV', platforms: P_GEN9 },
  { mask: 0x0f000000, value: 0x0c000000, format: 'C8', platforms: P_GEN9 },
  { mask: 0x0f000000, value: 0x0e000000, format: 'RGB565', platforms: P_GEN9 },
  { mask: 0x3c000000, value: 0x08000000, format: 'C8', platforms: P_BEFORE_GEN9 },
  { mask: 0x3c000000, value: 0x14000000, format: 'RGB565', platforms: P_BEFORE_GEN9 },
  { mask: 0x3c000000, value: 0x18000000, format: 'XRGB8888', platforms: P_BEFORE_GEN9 },
  { mask: 0x3c000000, value: 0x20000000, format: 'XBGR2101010', platforms: P_BEFORE_GEN9 },
  { mask: 0x3c000000, value: 0x28000000, format: 'XRGB2101010', platforms: P_BEFORE_GEN9 },
  { mask: 0x3c000000, value: 0x30000000, format: 'XBGR16F', platforms: P_BEFORE_GEN9 },
  { mask: 0x3c000000, value: 0x38000000, format: 'XBGR8888', platforms: P_BEFORE_GEN9 },
];

/** SPRCTL of HSW and BDW: format 27:25, RGB order 20, YUV byte order 17:16. On Gen9 all planes are alike. */
export const SPRITE_FORMATS: readonly PlaneFormatRow[] = [
  { mask: 0x0e030000, value: 0x00000000, format: 'YUYV', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e030000, value: 0x00010000, format: 'UYVY', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e030000, value: 0x00020000, format: 'YVYU', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e030000, value: 0x00030000, format: 'VYUY', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e100000, value: 0x02000000, format: 'XRGB2101010', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e100000, value: 0x02100000, format: 'XBGR2101010', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e100000, value: 0x04000000, format: 'XRGB8888', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e100000, value: 0x04100000, format: 'XBGR8888', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e100000, value: 0x06000000, format: 'XRGB16F', platforms: P_BEFORE_GEN9 },
  { mask: 0x0e100000, value: 0x06100000, format: 'XBGR16F', platforms: P_BEFORE_GEN9 },
];

/** Gen9 PLANE_CTL 5:4: a plane lies over those below it by its pixels' alpha, which its colours are multiplied by, or not yet. */
export const PLANE_ALPHA = { SHIFT: 4, MASK: 3, PREMULTIPLIED: 2, STRAIGHT: 3 } as const;

/** Gen9 PLANE_KEYMSK 31: besides, the whole plane lies over the others by the alpha in PLANE_KEYMAX 31:24. Source: PRM SKL Vol 2c. */
export const PLANE_ALPHA_ENABLE = 0x80000000;

/** PLANE_CTL / DSPCNTR 12:10 as the hardware numbers tilings. BDW has bit 10 only. */
export const PLANE_TILING_SHIFT = 10;
export const HW_TILING = { LINEAR: 0, X: 1, Y: 4, YF: 5 } as const;

/** Bytes per unit of PLANE_STRIDE (Gen9). BDW's stride is in bytes. Source: PRM SKL Vol 2c PLANE_STRIDE. */
export function strideUnit(hwTiling: number, bytesPerPixel: number): number {
  switch (hwTiling) {
    case HW_TILING.X:
      return 512;
    case HW_TILING.Y:
      return 128;
    case HW_TILING.YF:
      return bytesPerPixel === 1 ? 64 : 128;
    default:
      return 64;
  }
}

/** Rotation by 180 degrees: PLANE_CTL 1:0 = 2, DSPCNTR bit 15. By 90 and 270: PLANE_CTL 1:0 odd. */
export const GEN9_ROTATE_MASK = 3;
export const GEN9_ROTATE_180 = 2;
export const BDW_ROTATE_180 = 0x8000;

export interface CursorMode {
  readonly size: 64 | 128 | 256;
  /** Premultiplied alpha; otherwise the top byte is an AND mask and the colour is XORed. */
  readonly alpha: boolean;
}

/** CURCNTR 5 and 2:0. Source: PRM SKL Vol 2c CUR_CTL. */
export const CURSOR_MODES: Readonly<Record<number, CursorMode>> = {
  2: { size: 128, alpha: false },
  3: { size: 256, alpha: false },
  7: { size: 64, alpha: false },
  34: { size: 128, alpha: true },
  35: { size: 256, alpha: true },
  39: { size: 64, alpha: true },
};
export const CURSOR_MODE_MASK = 0x27;

/** Gen9: DPLL_CTRL1 link rate field -> symbol clock. Source: PRM SKL Vol 12 "DPLL_CTRL1". */
export const GEN9_LINK_KHZ: readonly number[] = [540_000, 270_000, 162_000, 324_000, 216_000, 432_000];
/** BDW: PORT_CLK_SEL field -> symbol clock of the LCPLL's outputs. */
export const BDW_LINK_KHZ: readonly number[] = [540_000, 270_000, 162_000];

export const DPLL_CTRL1 = 0x6c058;
export const DPLL_CTRL2 = 0x6c05c;
/** Bit of a PLL's six in DPLL_CTRL1. */
export const DPLL_HDMI = 0x20;
/** DPLL_CFGCR1 of the PLLs that make HDMI clocks, by PLL; DPLL_CFGCR2 follows it. PLL 0 has none. */
export const GEN9_HDMI_PLLS: readonly (number | undefined)[] = [undefined, 0x6c040, 0x6c048, 0x6c050];
/** The oscillator's frequency is in units of this, whole and in parts of 0x8000; dividers by the fields of DPLL_CFGCR2. */
export const DPLL_REFERENCE_KHZ = 24_000;
export const DPLL_PDIV: Readonly<Record<number, number>> = { 0: 1, 1: 2, 2: 3, 4: 7 };
export const DPLL_KDIV: readonly number[] = [5, 2, 3, 1];
/** Clocks of the divided oscillator in a pixel clock. */
export const DPLL_BITS_PER_PIXEL_CLOCK = 5;
/** BDW: port clock select, 4 bytes a port. */
export const PORT_CLK_SEL = 0x46100;
/** BDW: the display clock PLL. */
export const LCPLL_CTL = 0x130040;
export const LCPLL_LOCK = 0x40000000;

/** Registers of port A; add PORT_STRIDE for each further port. */
export const DDI = { BUF_CTL: 0x64000, AUX_CTL: 0x64010, TP_CTL: 0x64040, TP_STATUS: 0x64044 } as const;
export const DDI_BUF_ENABLE = 0x80000000;
export const DDI_BUF_IDLE = 0x80;
/** Strap: the panel of port A was there at reset. */
export const DDI_BUF_DETECTED = 1;
/** BDW: AUX channels of ports B to D are in the PCH. */
export const PCH_AUX_CTL_A = 0xe4010;

/** DP_AUX_CH_CTL. */
export const AUX = {
  SEND_BUSY: 0x80000000,
  DONE: 0x40000000,
  INTERRUPT: 0x20000000,
  TIMEOUT: 0x10000000,
  RECEIVE_ERROR: 0x02000000,
  SIZE_SHIFT: 20,
  SIZE_MASK: 0x01f00000,
  /** Data registers follow the control register; five dwords, first byte in the top bits. */
  DATA_BYTES: 20,
} as const;

export const DP_TP_PATTERN_MASK = 0x700;
export const DP_TP_PATTERN_1 = 0x000;
export const DP_TP_PATTERN_IDLE = 0x200;
export const DP_TP_ENABLE = 0x80000000;
export const DP_TP_STATUS_IDLE_DONE = 1 << 25;
export const DP_TP_STATUS_AUTOTRAIN_DONE = 1 << 12;

/** GMBUS0..5. */
export const GMBUS = {
  SELECT: 0xc5100,
  COMMAND: 0xc5104,
  STATUS: 0xc5108,
  DATA: 0xc510c,
  INTERRUPT: 0xc5110,
  INDEX: 0xc5120,
} as const;

/** GMBUS pin pair of a port. CNP numbers them anew. Source: public i915 intel_gmbus.c pin tables. */
export const GMBUS_PINS: readonly { readonly platforms: number; readonly pins: Readonly<Record<number, PortName>> }[] =
  [
    { platforms: P.HSW | P.BDW | P.SKL | P.KBL, pins: { 4: 'C', 5: 'B', 6: 'D' } },
    // a guest without an Intel PCH takes Coffee Lake and Comet Lake to have a CNP
    { platforms: P.CFL | P.CML, pins: { 1: 'B', 2: 'C', 3: 'D' } },
  ];

/** PCH hotplug: live bit in SDEISR, enable and status field in SHOTPLUG_CTL. Bits are the same on LPT, SPT and CNP. */
export interface HotplugRow {
  readonly port: 'B' | 'C' | 'D';
  readonly live: number;
  readonly register: number;
  readonly enable: number;
  readonly statusShift: number;
}
export const SDE_ISR = 0xc4000;
export const SHOTPLUG_CTL = 0xc4030;
export const HOTPLUG: readonly HotplugRow[] = [
  { port: 'B', live: 1 << 21, register: SHOTPLUG_CTL, enable: 1 << 4, statusShift: 0 },
  { port: 'C', live: 1 << 22, register: SHOTPLUG_CTL, enable: 1 << 12, statusShift: 8 },
  { port: 'D', live: 1 << 23, register: SHOTPLUG_CTL, enable: 1 << 20, statusShift: 16 },
];
export const HOTPLUG_LONG = 2;
export const SFUSE_STRAP = 0xc2014;
/** Which port a strap bit declares. */
export const SFUSE_PORT: Readonly<Record<HotplugRow['port'], number>> = { B: 4, C: 2, D: 1 };
/** The fuse register is valid; there is no analogue output. */
export const SFUSE_FIXED = (1 << 13) | (1 << 6);

/** Values after reset that differ from zero. */
export interface DisplayResetRow {
  readonly name: string;
  readonly offset: number;
  readonly value: number;
  readonly platforms: number;
}

const ddiIdle: readonly DisplayResetRow[] = PORTS.map((port, i) => ({
  name: `DDI_BUF_CTL_${port}`,
  offset: DDI.BUF_CTL + i * PORT_STRIDE,
  value: DDI_BUF_IDLE,
  platforms: P_ALL,
}));

export const DISPLAY_RESET: readonly DisplayResetRow[] = [
  ...ddiIdle,
  // fuse download done, power gates 0 to 2 have their fuses
  { name: 'FUSE_STATUS', offset: 0x42000, value: 0x8e000000, platforms: P_GEN9 },
  // DPLL0 as firmware leaves it: 1350 MHz, overridden
  { name: 'DPLL_CTRL1', offset: DPLL_CTRL1, value: 3, platforms: P_GEN9 },
  { name: 'LCPLL1_CTL', offset: 0x46010, value: 0xc0000000, platforms: P_GEN9 },
  { name: 'LCPLL_CTL', offset: LCPLL_CTL, value: LCPLL_LOCK, platforms: P.HSW | P.BDW },
  // the PCH's raw clock is 24 MHz
  { name: 'PCH_RAWCLK_FREQ', offset: 0xc6204, value: 24, platforms: P_ALL },
  { name: 'GMBUS2', offset: GMBUS.STATUS, value: 0x800, platforms: P_ALL },
];
