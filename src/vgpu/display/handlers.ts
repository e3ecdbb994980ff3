/**
 * What display registers do beyond storing: the behaviours that register rows name. A write handler stores into the bank
 * itself. What columns can say (mirrored, write-1-to-clear, read-only bits) is in the rows and not here.
 * Sources of the bits: src/hw/display.ts.
 */
import {
  DDI_BUF_DETECTED,
  DDI_BUF_ENABLE,
  DDI_BUF_IDLE,
  DP_TP_ENABLE,
  DP_TP_PATTERN_1,
  DP_TP_PATTERN_IDLE,
  DP_TP_PATTERN_MASK,
  DP_TP_STATUS_AUTOTRAIN_DONE,
  DP_TP_STATUS_IDLE_DONE,
  FLIP_MESSAGES,
  PIPE,
  PIPE_STRIDE,
} from '../../hw/index.js';
import type { Display } from './display.js';

export type DisplayRead = (display: Display, offset: number) => number;
export type DisplayWrite = (display: Display, offset: number, value: number) => void;
export interface DisplayHandler {
  readonly read?: DisplayRead;
  readonly write?: DisplayWrite;
}

const PORT_E_TP_STATUS = 0x64444;
const PORT_E_BUF_CTL = 0x64400;
const TP_CTL_TO_STATUS = 4;
const PP_STATUS = 0xc7200;
const PP_CONTROL_ON = 1;
/** Panel on, sequencer on and idle. */
const PP_STATUS_ON_IDLE = 0x80000008;
const SCALER_CONTROL = 0x80;
const SCALER_BINDING_MASK = 7 << 25;
const FLIP_TYPE_MASK = 3;
const FLIP_TYPE_ASYNC = 1;
const SURFACE_MASK = 0xfffff000;

/** GPIO pin pair: a line reads low only while the guest drives it low, so that bit-banging finds an idle, empty bus. */
const GPIO_CLOCK_SHIFT = 0;
const GPIO_DATA_SHIFT = 8;
const GPIO_DIRECTION_MASK = 1;
const GPIO_DRIVES = 2;
const GPIO_VALUE_MASK = 4;
const GPIO_VALUE = 8;
const GPIO_LINE = 0x10;
const GPIO_PULLUP_OFF = 0x20;

function gpioLine(stored: number, value: number, shift: number): number {
  const old = stored >>> shift;
  const wanted = value >>> shift;
  let line = old & (GPIO_DRIVES | GPIO_VALUE);
  if ((wanted & GPIO_DIRECTION_MASK) !== 0) line = (line & ~GPIO_DRIVES) | (wanted & GPIO_DRIVES);
  if ((wanted & GPIO_VALUE_MASK) !== 0) line = (line & ~GPIO_VALUE) | (wanted & GPIO_VALUE);
  return (line | (wanted & GPIO_PULLUP_OFF)) << shift;
}

function gpioLevel(stored: number, shift: number): number {
  const line = stored >>> shift;
  const low = (line & GPIO_DRIVES) !== 0 && (line & GPIO_VALUE) === 0;
  return low ? 0 : GPIO_LINE << shift;
}

const store: DisplayWrite = (display, offset, value) => {
  display.host.bank[offset >>> 2] = value;
};
const load: DisplayRead = (display, offset) => display.host.bank[offset >>> 2]!;

const pipeOf = (offset: number): number => (offset >>> 12) & 3;

function showSurface(display: Display, pipe: number, primary: boolean, surface: number, async: boolean): void {
  const bank = display.host.bank;
  const at = pipe * PIPE_STRIDE;
  bank[((primary ? PIPE.PLANE_SURFLIVE : PIPE.SPRITE_SURFLIVE) + at) >>> 2] = surface;
  if (primary) {
    const count = (PIPE.FLIP_COUNT + at) >>> 2;
    bank[count] = bank[count]! + 1;
  }
  display.flip(pipe, primary, async);
}

function surfaceWrite(primary: boolean): DisplayWrite {
  return (display, offset, value) => {
    const pipe = pipeOf(offset);
    display.host.bank[offset >>> 2] = value;
    showSurface(display, pipe, primary, value, display.pipes.flipsAsync(pipe, primary));
  };
}

export const displayHandlers = {
  /** TRANSCONF / PIPECONF 0x70008 +0x1000 per pipe, 0x7f008. */
  pipeConf: { write: (display, offset, value) => display.pipes.configure(offset, value) },
  /** DDI_BUF_CTL 0x64000 +0x100 per port. */
  ddiBufCtl: {
    write: (display, offset, value) => {
      const bank = display.host.bank;
      const strap = bank[offset >>> 2]! & DDI_BUF_DETECTED;
      const idle = (value & DDI_BUF_ENABLE) !== 0 ? 0 : DDI_BUF_IDLE;
      bank[offset >>> 2] = (value & ~(DDI_BUF_IDLE | DDI_BUF_DETECTED)) | idle | strap;
      if (offset === PORT_E_BUF_CTL && idle !== 0) {
        bank[PORT_E_TP_STATUS >>> 2] = bank[PORT_E_TP_STATUS >>> 2]! & ~DP_TP_STATUS_AUTOTRAIN_DONE;
      }
    },
  },
  /** DP_TP_CTL 0x64040 +0x100 per port. */
  dpTpCtl: {
    write: (display, offset, value) => {
      const bank = display.host.bank;
      const status = (offset + TP_CTL_TO_STATUS) >>> 2;
      bank[offset >>> 2] = value;
      if ((value & DP_TP_ENABLE) === 0) return;
      const pattern = value & DP_TP_PATTERN_MASK;
      if (pattern === DP_TP_PATTERN_IDLE) bank[status] = bank[status]! | DP_TP_STATUS_IDLE_DONE;
      else if (pattern === DP_TP_PATTERN_1) bank[status] = bank[status]! & ~DP_TP_STATUS_IDLE_DONE;
    },
  },
  /** Scalers of Gen9 (PS_CTRL, PS_WIN_POS, PS_WIN_SZ): a scaler bound to a plane is not offered. */
  pfWrite: {
    write: (display, offset, value) => {
      if ((offset & 0xff) === SCALER_CONTROL && (value & SCALER_BINDING_MASK) !== 0) return;
      store(display, offset, value);
    },
  },
  /** PLANE_SURF_1 / DSPSURF 0x7019c +0x1000 per pipe. */
  priSurf: { write: surfaceWrite(true) },
  /** PLANE_SURF_2 / SPRSURF 0x7029c +0x1000 per pipe. */
  sprSurf: { write: surfaceWrite(false) },
  /** CURBASE 0x70084 +0x1000 per pipe: arms the cursor registers. */
  curBase: {
    write: (display, offset, value) => {
      store(display, offset, value);
      store(display, offset - PIPE.CUR_BASE + PIPE.CUR_SURFLIVE, value);
    },
  },
  /** Flip messages 0x50080, 88, 8c (primary) and 0x50090, 98, 9c (sprite) of pipes A, B, C. */
  flipMessage: {
    write: (display, offset, value) => {
      store(display, offset, value);
      const target = FLIP_MESSAGES[offset];
      if (target === undefined) return;
      const [pipe, primary] = target;
      const surface = (value & SURFACE_MASK) >>> 0;
      store(display, (primary ? PIPE.PLANE_SURF : PIPE.SPRITE_SURF) + pipe * PIPE_STRIDE, surface);
      showSurface(display, pipe, primary, surface, (value & FLIP_TYPE_MASK) === FLIP_TYPE_ASYNC);
    },
  },
  /** DP_AUX_CH_CTL and its five data registers: 0x64010 +0x100 per port; BDW ports B to D 0xe4110 +0x100. */
  auxCtl: { write: (display, offset, value) => display.aux.write(offset, value) },
  /** GMBUS0..5, 0xc5100 to 0xc5124. */
  gmbus: {
    read: (display, offset) => display.gmbus.read(offset),
    write: (display, offset, value) => display.gmbus.write(offset, value),
  },
  /** GPIO pin pairs 0xc5010 to 0xc5024. */
  gpio: {
    read: (display, offset) => {
      const stored = display.host.bank[offset >>> 2]!;
      return stored | gpioLevel(stored, GPIO_CLOCK_SHIFT) | gpioLevel(stored, GPIO_DATA_SHIFT);
    },
    write: (display, offset, value) => {
      const stored = display.host.bank[offset >>> 2]!;
      const lines = gpioLine(stored, value, GPIO_CLOCK_SHIFT) | gpioLine(stored, value, GPIO_DATA_SHIFT);
      store(display, offset, lines);
    },
  },
  /** PCH_PP_CONTROL 0xc7204. */
  ppControl: {
    write: (display, offset, value) => {
      store(display, offset, value);
      store(display, PP_STATUS, (value & PP_CONTROL_ON) !== 0 ? PP_STATUS_ON_IDLE : 0);
    },
  },
  /** PIPEDSL 0x70000 +0x1000 per pipe. */
  pipeDsl: { read: (display, offset) => display.pipes.scanline(pipeOf(offset)) },
  /** PIPE_FRMCOUNT 0x70040 +0x1000 per pipe. */
  frameCount: { read: (display, offset) => display.pipes.countFrames(pipeOf(offset)) },
  /** PREC_PAL_DATA 0x4a404 +0x800 per pipe. */
  paletteData: {
    read: (display, offset) => display.palettes.read(offset),
    write: (display, offset, value) => display.palettes.write(offset, value),
  },
  /** PIPE_CRC_CTL 0x60050 and PIPE_CRC_RES 0x60064 +0x1000 per pipe. */
  crcControl: {
    write: (display, offset, value) => {
      store(display, offset, value);
      display.crcConfigured(pipeOf(offset));
    },
  },
  crcResult: { read: (display, offset) => display.crc(pipeOf(offset)) },
  /** SDEISR 0xc4000: the live state of the hotplug lines. */
  sdeIsr: { read: load },
} as const satisfies Record<string, DisplayHandler>;

export type DisplayHandlerName = keyof typeof displayHandlers;
