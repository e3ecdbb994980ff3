/**
 * Video timings from a mode line such as `2560x1440@60`, by VESA's Coordinated Video Timings with reduced blanking.
 * Source: VESA CVT Standard 1.2, section 3.4.2 "CVT reduced blanking timing version 1" (constants and steps of the computation).
 */
import type { Timing } from './edid.js';

/** Smallest time of the vertical blank, µs. */
const MIN_V_BLANK_US = 460;
const H_BLANK = 160;
const H_SYNC = 32;
const H_FRONT_PORCH = 48;
const V_FRONT_PORCH = 3;
const MIN_V_BACK_PORCH = 6;
const CLOCK_STEP_KHZ = 250;
/** Widths come in character cells. */
const CELL = 8;
/** Lines of the vertical sync pulse tell the aspect ratio. */
const V_SYNC: readonly (readonly [across: number, down: number, lines: number])[] = [
  [4, 3, 4],
  [16, 9, 5],
  [16, 10, 6],
  [5, 4, 7],
  [15, 9, 7],
];
const V_SYNC_OTHER = 10;

/** What a mode line may ask for: what fits a detailed timing of an EDID, and what drivers light. */
export const MODE_LIMITS = {
  width: [640, 4088],
  height: [400, 4095],
  hz: [24, 240],
  clockMhz: 650,
} as const;

export interface ModeLine {
  readonly width: number;
  readonly height: number;
  readonly hz: number;
}

/** What is allowed, in words. */
export const MODE_ALLOWED =
  `WIDTHxHEIGHT@HZ such as 2560x1440@60: a width of ${MODE_LIMITS.width.join(' to ')} in steps of ${CELL}, a height of ` +
  `${MODE_LIMITS.height.join(' to ')}, ${MODE_LIMITS.hz.join(' to ')} Hz, and no more than ${MODE_LIMITS.clockMhz} MHz of pixel clock`;

/** @returns null for what is no mode line, or none that can be shown */
export function parseMode(text: string): ModeLine | null {
  const [, width = 0, height = 0, hz = 0] = (/^(\d{3,4})x(\d{3,4})@(\d{2,3})$/.exec(text) ?? []).map(Number);
  const mode = { width, height, hz };
  const fits =
    within(width, MODE_LIMITS.width) &&
    within(height, MODE_LIMITS.height) &&
    within(hz, MODE_LIMITS.hz) &&
    width % CELL === 0;
  return fits && timingOfMode(mode).pixelKhz <= MODE_LIMITS.clockMhz * 1000 ? mode : null;
}

const within = (value: number, [least, most]: readonly [number, number]): boolean => value >= least && value <= most;

export function timingOfMode({ width, height, hz }: ModeLine): Timing {
  const lineUs = (1e6 / hz - MIN_V_BLANK_US) / height;
  const vSync = V_SYNC.find(([across, down]) => isAspect(width, height, across, down))?.[2] ?? V_SYNC_OTHER;
  const blankLines = Math.floor(MIN_V_BLANK_US / lineUs) + 1;
  const vBlank = Math.max(blankLines, V_FRONT_PORCH + vSync + MIN_V_BACK_PORCH);
  const hTotal = width + H_BLANK;
  const vTotal = height + vBlank;
  return {
    pixelKhz: CLOCK_STEP_KHZ * Math.floor((hz * vTotal * hTotal) / 1000 / CLOCK_STEP_KHZ),
    width,
    hSyncStart: width + H_FRONT_PORCH,
    hSyncEnd: width + H_FRONT_PORCH + H_SYNC,
    hTotal,
    height,
    vSyncStart: height + V_FRONT_PORCH,
    vSyncEnd: height + V_FRONT_PORCH + vSync,
    vTotal,
    hPositive: true,
    vPositive: false,
  };
}

/** Rounded down to whole cells, as the standard has it: 1360 is the 16:9 of 768. */
function isAspect(width: number, height: number, across: number, down: number): boolean {
  return CELL * Math.floor((height * across) / down / CELL) === width;
}
