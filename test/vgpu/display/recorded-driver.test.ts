import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Bench, SKL } from './bench-guest.js';

/**
 * Replays what a real driver did to a display. The recording has its monitor on port B, and was made against another device
 * model, so that what is compared is what the driver waits for or decides on, not the monitor's own data.
 */
interface Access {
  readonly write: boolean;
  readonly offset: number;
  readonly value: number;
}

const accesses: readonly Access[] = readFileSync(new URL('fixtures/i915-6.12-dp-modeset.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [op, offset, value] = line.split(' ');
    return { write: op === 'W', offset: Number.parseInt(offset!, 16), value: Number.parseInt(value!, 16) };
  });

const AUX_CTL = 0x64110;
const AUX_DONE = 0x40000000;
const AUX_BUSY_DONE_ERROR = 0xd2000000;
const AUX_DATA = 0x64114;
const AUX_DATA_LAST = 0x64124;
const FRAME_COUNT = 0x70040;
const SCANLINE = 0x70000;
const TP_STATUS = 0x64144;
/** Clock registers outside the display: the recording begins when the driver has switched them already. */
const NOT_OURS = new Set([0x46000, 0x46010, 0x45008]);
/** The recorded model had no lock bit here; the driver looks for it in DPLL_STATUS. */
const LCPLL2_CTL = 0x46014;
const PLL_ENABLE = 0x80000000;
const GMBUS_STATUS = 0xc5108;

/** The AUX requests that the driver sends, by header, and what came back. */
const LINK_STATUS_REQUEST = 0x90020205;

describe('i915 6.12, replayed', () => {
  const bench = new Bench({ ...SKL, monitorPort: 'B' }, { ddc: false });
  const differences: string[] = [];
  const linkStatus: number[] = [];
  const patterns: number[] = [];
  const modes: string[] = [];
  let request = 0;
  let counts = 0;
  let polls = 0;

  for (const { write, offset, value } of accesses) {
    bench.pass(0.05);
    if (write) {
      if (offset === AUX_DATA) request = value;
      if (offset === 0x64140 && (value & 0x80000000) !== 0) patterns.push((value >>> 8) & 7);
      bench.write(offset, value);
      if (offset === 0x70008) modes.push(JSON.stringify(bench.display.mode()));
      continue;
    }
    const got = bench.read(offset);
    if (NOT_OURS.has(offset)) continue;
    if (offset === FRAME_COUNT || offset === SCANLINE) {
      counts++;
      continue;
    }
    let mask = 0xffffffff;
    if (offset === TP_STATUS) mask = 1 << 25;
    else if (offset === LCPLL2_CTL) mask = PLL_ENABLE;
    else if (offset >= AUX_DATA && offset <= AUX_DATA_LAST) {
      // the reply's first byte says whether it was acknowledged; the rest is the monitor's
      mask = offset === AUX_DATA ? 0xff000000 : 0;
      if (offset === AUX_DATA && request === LINK_STATUS_REQUEST) linkStatus.push(got);
    } else if (offset === AUX_CTL || offset === GMBUS_STATUS) polls++;
    // between transactions the size is that of the last one, of which the recording leaves some out
    if (offset === AUX_CTL && (value & AUX_DONE) === 0) mask = AUX_BUSY_DONE_ERROR;
    if (((got ^ value) & mask) !== 0) {
      differences.push(`${offset.toString(16)}: ${got.toString(16)}, recorded ${value.toString(16)}`);
    }
  }

  it('finds every register that it polls or decides on as it was when the mode set succeeded', () => {
    expect(differences).toEqual([]);
    expect(polls).toBeGreaterThan(100);
    expect(counts).toBeGreaterThan(50);
  });

  it('goes through both training phases and finds the two lanes that it uses locked', () => {
    expect(patterns).toEqual([0, 0, 1, 2, 3]);
    expect(linkStatus).toEqual([0x00110000, 0x00770001]);
  });

  it('lights 1024x768 at 60 Hz and darkens it again', () => {
    const lit = '{"width":1024,"height":768,"refreshHz":60}';
    expect(modes).toEqual(['null', lit, 'null']);
    expect(bench.display.flips).toBeGreaterThan(0);
  });
});
