/**
 * What a transcoder is programmed to scan out: its size and how long a frame takes.
 * The pixel clock of a DP link is symbol clock x M / N; of HDMI it is what the port's PLL makes.
 * Source: PRM SKL Vol 12 "DisplayPort M/N", DPLL_CTRL1/2, DPLL_CFGCR1/2.
 */
import { NS_PER_S } from '../../base/index.js';
import {
  BDW_LINK_KHZ,
  DPLL_BITS_PER_PIXEL_CLOCK,
  DPLL_CTRL1,
  DPLL_CTRL2,
  DPLL_HDMI,
  DPLL_KDIV,
  DPLL_PDIV,
  DPLL_REFERENCE_KHZ,
  FUNC_MODE_DP_MST,
  FUNC_MODE_DP_SST,
  FUNC_MODE_DVI,
  FUNC_MODE_HDMI,
  FUNC_MODE_SHIFT,
  FUNC_PORT_SHIFT,
  GEN9_HDMI_PLLS,
  GEN9_LINK_KHZ,
  type Platform,
  PORT_CLK_SEL,
  TRANS,
  TRANSCODER_EDP,
  TRANSCODERS,
} from '../../hw/index.js';

const FALLBACK_HZ = 60;
/** A guest may program any clock; frames outside these rates are taken as 60 Hz, so that no timer runs wild. */
const SLOWEST_HZ = 1;
const FASTEST_HZ = 500;
const KHZ_FRAME_NS = 1_000_000;

export interface PipeTiming {
  readonly width: number;
  readonly height: number;
  readonly vTotal: number;
  /** First line of the vertical blank. */
  readonly vBlankStart: number;
  /** Frame period, whole ns: vblanks lie at exact multiples. */
  readonly period: number;
}

/** PLL that a port of Gen9 is fed by. */
function pllOf(bank: Uint32Array, port: number): number {
  return (bank[DPLL_CTRL2 >>> 2]! >>> (port * 3 + 1)) & 3;
}

/** What a PLL of Gen9 makes in HDMI mode: a tenth of its bit clock, kHz; 0 where it is not in that mode. */
function tmdsKhz(bank: Uint32Array, pll: number): number {
  const config = GEN9_HDMI_PLLS[pll];
  if (config === undefined || ((bank[DPLL_CTRL1 >>> 2]! >>> (pll * 6)) & DPLL_HDMI) === 0) return 0;
  const frequency = bank[config >>> 2]!;
  const dividers = bank[(config + 4) >>> 2]!;
  const dcoKhz = DPLL_REFERENCE_KHZ * ((frequency & 0x1ff) + ((frequency >>> 9) & 0x7fff) / 0x8000);
  const p = DPLL_PDIV[(dividers >>> 2) & 7] ?? 0;
  const q = (dividers & 0x80) === 0 ? 1 : (dividers >>> 8) & 0xff;
  const k = DPLL_KDIV[(dividers >>> 5) & 3]!;
  const divider = p * q * k * DPLL_BITS_PER_PIXEL_CLOCK;
  return divider === 0 ? 0 : dcoKhz / divider;
}

/** Symbol clock that feeds `port`, kHz; 0 where it is not a DP clock. */
function linkKhz(bank: Uint32Array, platform: Platform, port: number): number {
  if (platform.gen !== 9) return BDW_LINK_KHZ[bank[(PORT_CLK_SEL + 4 * port) >>> 2]! >>> 29] ?? 0;
  const pll = pllOf(bank, port);
  const control = bank[DPLL_CTRL1 >>> 2]! >>> (pll * 6);
  const hdmi = (control & DPLL_HDMI) !== 0;
  return hdmi ? 0 : (GEN9_LINK_KHZ[(control >>> 1) & 7] ?? 0);
}

/** Port that a transcoder drives, index into PORTS. */
export function portOfTranscoder(bank: Uint32Array, transcoder: number): number {
  const func = bank[(TRANSCODERS[transcoder]!.timing + TRANS.DDI_FUNC_CTL) >>> 2]!;
  return transcoder === TRANSCODER_EDP ? 0 : (func >>> FUNC_PORT_SHIFT) & 7;
}

function pixelKhz(bank: Uint32Array, platform: Platform, transcoder: number): number {
  const base = TRANSCODERS[transcoder]!.timing;
  const mode = (bank[(base + TRANS.DDI_FUNC_CTL) >>> 2]! >>> FUNC_MODE_SHIFT) & 7;
  if (mode === FUNC_MODE_HDMI || mode === FUNC_MODE_DVI) {
    return platform.gen !== 9 ? 0 : tmdsKhz(bank, pllOf(bank, portOfTranscoder(bank, transcoder)));
  }
  if (mode !== FUNC_MODE_DP_SST && mode !== FUNC_MODE_DP_MST) return 0;
  const m = bank[(base + TRANS.LINK_M1) >>> 2]! & 0xffffff;
  const n = bank[(base + TRANS.LINK_N1) >>> 2]! & 0xffffff;
  return n === 0 ? 0 : (linkKhz(bank, platform, portOfTranscoder(bank, transcoder)) * m) / n;
}

export function timingOf(bank: Uint32Array, platform: Platform, transcoder: number): PipeTiming {
  const base = TRANSCODERS[transcoder]!.timing >>> 2;
  const horizontal = bank[base + (TRANS.HTOTAL >>> 2)]!;
  const vertical = bank[base + (TRANS.VTOTAL >>> 2)]!;
  const blank = bank[base + (TRANS.VBLANK >>> 2)]!;
  const hTotal = ((horizontal >>> 16) & 0x1fff) + 1;
  const height = (vertical & 0x1fff) + 1;
  const vTotal = Math.max(((vertical >>> 16) & 0x1fff) + 1, height);
  const blankStart = (blank & 0x1fff) + 1;
  const khz = pixelKhz(bank, platform, transcoder);
  let period = khz === 0 ? 0 : Math.round((hTotal * vTotal * KHZ_FRAME_NS) / khz);
  if (!(period >= NS_PER_S / FASTEST_HZ && period <= NS_PER_S / SLOWEST_HZ))
    period = Math.round(NS_PER_S / FALLBACK_HZ);
  return {
    width: (horizontal & 0x1fff) + 1,
    height,
    vTotal,
    vBlankStart: blankStart >= height && blankStart <= vTotal ? blankStart : height,
    period,
  };
}
