import { describe, expect, it } from 'vitest';
import { BCS, CMD, VCS } from '../../src/hw/index.js';
import { BDW, LOW_END, LOW_START, scan } from './harness.js';

describe('a page flip in the ring', () => {
  it('is taken out and reported, by plane, surface and stride (Gen9)', () => {
    const result = scan([CMD.MI_DISPLAY_FLIP | (1 << 8) | 1, (0x50 << 6) | 1, LOW_START | 1, CMD.MI_NOOP]);
    expect(result.ok).toBe(true);
    expect(result.flips).toEqual([{ pipe: 1, plane: 0, surface: LOW_START, stride: 0x50, tiling: 1, async: true }]);
    expect([...result.words]).toEqual([0, 0, 0, 0]);
  });
  it('names its plane elsewhere on Gen8', () => {
    const flip = [CMD.MI_DISPLAY_FLIP | (3 << 19) | 1, (0x50 << 6) | 1, LOW_START];
    expect(scan(flip, { platform: BDW }).flips).toEqual([
      { pipe: 1, plane: 1, surface: LOW_START, stride: 0x50, tiling: 1, async: false },
    ]);
    expect(scan([CMD.MI_DISPLAY_FLIP | (7 << 19) | 1, 0, LOW_START], { platform: BDW }).code).toBe('refused-command');
  });
  it('to a surface that is not the own is refused', () => {
    expect(scan([CMD.MI_DISPLAY_FLIP | 1, 0, LOW_END])).toMatchObject({ code: 'address', gmadr: LOW_END, flips: [] });
  });
  it('is unknown to the video engines', () => {
    expect(scan([CMD.MI_DISPLAY_FLIP | 1, 0, LOW_START], { engine: VCS }).code).toBe('unknown-command');
  });
});

describe('waits on the physical display', () => {
  it('are taken out', () => {
    const result = scan([CMD.MI_WAIT_FOR_EVENT | 4, CMD.MI_LOAD_SCAN_LINES_INCL, 5, CMD.MI_LOAD_SCAN_LINES_EXCL, 6], {
      engine: BCS,
    });
    expect(result).toMatchObject({ ok: true, patches: 5 });
    expect([...result.words]).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('user interrupts', () => {
  it('stay in place and are counted', () => {
    const result = scan([CMD.MI_USER_INTERRUPT, CMD.MI_NOOP, CMD.MI_USER_INTERRUPT]);
    expect(result).toMatchObject({ ok: true, userInterrupts: 2, patches: 0 });
    expect(result.words[0]).toBe(CMD.MI_USER_INTERRUPT);
  });
});
