import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EDID_BYTES,
  EDIDS,
  edidFault,
  edidOfMode,
  MODE_LIMITS,
  monitorName,
  PLUGS,
  parseMode,
  plugCarries,
  preferredMode,
  TIMING_1920X1200,
  timingOfMode,
} from '../../src/hw/index.js';

describe('a mode line', () => {
  // As monitors of these sizes have them in their own EDIDs.
  it.each([
    ['1920x1080@60', 138_500, [1968, 2000, 2080], [1083, 1088, 1111]],
    ['2560x1440@60', 241_500, [2608, 2640, 2720], [1443, 1448, 1481]],
    ['2560x1600@60', 268_500, [2608, 2640, 2720], [1603, 1609, 1646]],
    ['1280x1024@60', 91_000, [1328, 1360, 1440], [1027, 1034, 1054]],
    ['3840x2160@60', 533_250, [3888, 3920, 4000], [2163, 2168, 2222]],
  ])('%s becomes the timing of the CVT standard with reduced blanking', (line, pixelKhz, h, v) => {
    const timing = timingOfMode(parseMode(line)!);
    expect(timing.pixelKhz).toBe(pixelKhz);
    expect([timing.hSyncStart, timing.hSyncEnd, timing.hTotal]).toEqual(h);
    expect([timing.vSyncStart, timing.vSyncEnd, timing.vTotal]).toEqual(v);
  });

  it('1920x1200@60 becomes the timing that the monitor of the larger types has', () => {
    expect(timingOfMode(parseMode('1920x1200@60')!)).toEqual(TIMING_1920X1200);
  });

  it.each([
    '',
    '1920x1080',
    '1920x1080@',
    '1921x1080@60',
    '600x400@60',
    '4096x2160@60',
    '1920x1080@300',
    '3840x2160@120',
    '1920X1080@60',
    ' 1920x1080@60',
  ])('"%s" is none', (line) => {
    expect(parseMode(line)).toBeNull();
  });
});

describe('the EDID of a mode line', () => {
  const modes = fc
    .record({
      width: fc.integer({ min: MODE_LIMITS.width[0] / 8, max: MODE_LIMITS.width[1] / 8 }).map((cells) => 8 * cells),
      height: fc.integer({ min: MODE_LIMITS.height[0], max: MODE_LIMITS.height[1] }),
      hz: fc.integer({ min: MODE_LIMITS.hz[0], max: MODE_LIMITS.hz[1] }),
    })
    .filter(({ width, height, hz }) => parseMode(`${width}x${height}@${hz}`) !== null);

  it('is valid and says the mode back, whatever the mode and the plug', () => {
    fc.assert(
      fc.property(modes, fc.constantFrom(...PLUGS), (mode, plug) => {
        const edid = edidOfMode(mode, plug);
        expect(edidFault(edid)).toBeNull();
        const [size, hz] = preferredMode(edid).split('@');
        expect(size).toBe(`${mode.width}x${mode.height}`);
        expect(Math.abs(Number(hz) - mode.hz)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('says HDMI and its highest clock where it is plugged in by HDMI, and nothing of it elsewhere', () => {
    const mode = parseMode('2560x1440@60')!;
    const hdmi = edidOfMode(mode, 'HDMI');
    expect(hdmi.length).toBe(2 * EDID_BYTES);
    expect(hdmi[20]).toBe(0xa2);
    expect([...hdmi.subarray(128, 140)]).toEqual([2, 3, 12, 0, 0x67, 0x03, 0x0c, 0, 0x10, 0, 0, 60]);
    const dp = edidOfMode(mode, 'DP');
    expect(dp.length).toBe(EDID_BYTES);
    expect(dp[20]).toBe(0xa5);
    expect(monitorName(dp)).toBe('xengt 2560x14');
  });

  it('is refused for HDMI where the pixel clock is above what HDMI 1.4 carries', () => {
    expect(plugCarries('HDMI', parseMode('2560x1600@60')!)).toBe(true);
    expect(plugCarries('HDMI', parseMode('3840x2160@60')!)).toBe(false);
    expect(plugCarries('DP', parseMode('3840x2160@60')!)).toBe(true);
  });
});

describe('an EDID from elsewhere', () => {
  const good = edidOfMode(parseMode('1600x900@60')!, 'HDMI');
  const broken = (at: number, value: number, from: Uint8Array = good): Uint8Array => {
    const copy = Uint8Array.from(from);
    copy[at] = value;
    return copy;
  };

  it.each([
    ['of a length that is none', good.subarray(0, 200), 'it has 200 bytes; an EDID has blocks of 128'],
    ['of nothing', new Uint8Array(0), 'it has 0 bytes; an EDID has blocks of 128'],
    ['of too many blocks', new Uint8Array(9 * 128), 'it has 9 blocks; 8 are allowed'],
    ['without its header', broken(1, 0xfe), 'it does not start with the header 00 ff ff ff ff ff ff 00'],
    ['that lacks an extension', good.subarray(0, 128), 'byte 126 announces 1 extension blocks; 0 are there'],
  ])('%s is refused with what is wrong', (_what, edid, why) => {
    expect(edidFault(edid)).toBe(why);
  });

  it('with one changed byte is refused with the checksum that would be right', () => {
    const last = good[127]!;
    const byte = (value: number) => value.toString(16).padStart(2, '0');
    const changed = broken(60, (good[60]! + 1) & 0xff);
    expect(edidFault(changed)).toBe(
      `the checksum of block 0 is wrong: its last byte is 0x${byte(last)}, right would be 0x${byte((last - 1) & 0xff)}`,
    );
    expect(edidFault(broken(127, (last - 1) & 0xff, changed))).toBeNull();
    expect(edidFault(broken(200, good[200]! ^ 1))).toMatch(/^the checksum of block 1 is wrong/);
  });

  it('tells its preferred mode and its name', () => {
    expect(preferredMode(EDIDS['1024x768'])).toBe('1024x768@60');
    expect(monitorName(EDIDS['1024x768'])).toBe('xengt 1024');
    expect(preferredMode(new Uint8Array(128))).toBe('');
    expect(monitorName(new Uint8Array(128))).toBe('');
  });
});
