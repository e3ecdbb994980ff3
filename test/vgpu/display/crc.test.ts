import { describe, expect, it } from 'vitest';
import { NEVER, PAGE_SIZE } from '../../../src/base/index.js';
import { BDW, Bench, Driver, SKL } from './bench-guest.js';

const BASE_PAGE = 0x400;
const CONTROL = 0x60050;
const RESULT = 0x60064;
const FRAMES = 0x70040;
const ENABLE = 0x80000000;
const CRC_DONE = 1 << 28;
const WHOLE = { SKL: 4 << 28, BDW: 2 << 29 } as const;
const WIDTH = 256;
const HEIGHT = 64;
/** Lines of the mode that are shown; the counter is one behind. */
const ACTIVE = 768;

/** A display of 256 x 64 linear pixels whose CRCs are on. */
function lit(platform = SKL, source: number = WHOLE[platform.name as 'SKL' | 'BDW']): Bench {
  const bench = new Bench(platform);
  const driver = new Driver(bench);
  driver.setMode1024();
  bench.write(0x6001c, ((WIDTH - 1) << 16) | (HEIGHT - 1));
  bench.write(0x70190, ((HEIGHT - 1) << 16) | (WIDTH - 1));
  bench.write(0x70180, platform.gen === 9 ? 0x84000000 : 0x98000000);
  bench.write(0x70188, platform.gen === 9 ? WIDTH / 16 : WIDTH * 4);
  for (let page = 0; page < 64; page++) bench.ram.ggtt.set(BASE_PAGE + page, page);
  bench.write(0x7019c, BASE_PAGE * PAGE_SIZE);
  driver.enablePipeInterrupts(CRC_DONE);
  bench.write(CONTROL, (ENABLE | source) >>> 0);
  return bench;
}

/** What the driver reads in the interrupt after the next frame. */
function nextCrc(bench: Bench): number {
  bench.pass(20);
  return take(bench);
}

/** Of the frame that ended last, as the driver does: the CRC, then the frame's number. */
function take(bench: Bench): number {
  const crc = bench.read(RESULT);
  bench.read(FRAMES);
  return crc;
}

describe.each([SKL, BDW])('the CRC of a picture of $name', (platform) => {
  it('is the same while the picture is, and changes with a single pixel of it', () => {
    const bench = lit(platform);
    const black = nextCrc(bench);
    expect(nextCrc(bench)).toBe(black);
    bench.ram.words[5 * WIDTH + 7] = 0x010000;
    const dotted = nextCrc(bench);
    expect(dotted).not.toBe(black);
    bench.ram.words[5 * WIDTH + 7] = 0;
    expect(nextCrc(bench)).toBe(black);
  });

  it('is of what is shown: the same pixels elsewhere in memory have the same one, and what is beside the picture has none', () => {
    const bench = lit(platform);
    bench.ram.words[0] = 0x123456;
    const first = nextCrc(bench);
    bench.ram.words[32 * 1024] = 0x123456;
    bench.write(0x7019c, (BASE_PAGE + 32) * PAGE_SIZE);
    expect(nextCrc(bench)).toBe(first);
    bench.ram.words[32 * 1024 + WIDTH * HEIGHT] = 0xffffff;
    expect(nextCrc(bench)).toBe(first);
  });

  it('is told once a frame, and not at all while CRCs are off', () => {
    const bench = lit(platform);
    bench.pass(20);
    take(bench);
    bench.raised.length = 0;
    for (let i = 0; i < 170; i++) {
      bench.pass(1);
      if (bench.events().at(-1) === 'PIPE_CRC_DONE') take(bench);
    }
    expect(bench.events().filter((event) => event === 'PIPE_CRC_DONE')).toHaveLength(10);
    bench.write(CONTROL, 0);
    bench.raised.length = 0;
    expect(bench.display.nextDue()).toBe(NEVER);
    bench.pass(100);
    expect(bench.events()).toEqual([]);
  });

  it('is one of each frame, however late the guest reads and the host looks', () => {
    const bench = lit(platform);
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      bench.clock.set(bench.clock.now() + (i % 3) * 40e6);
      bench.pass(20);
      expect(bench.events()).toContain('PIPE_CRC_DONE');
      bench.raised.length = 0;
      const before = bench.read(FRAMES);
      bench.pass(25 + i);
      expect(bench.read(FRAMES)).toBe(before);
      expect(bench.read(0x70000)).toBeLessThan(ACTIVE);
      take(bench);
      seen.push(before);
    }
    expect(seen).toEqual(seen.map((_, i) => seen[0]! + i));
  });

  it('that nobody reads does not stop the picture for long', () => {
    const bench = lit(platform);
    const before = bench.read(FRAMES);
    bench.pass(4000);
    expect(bench.read(FRAMES) - before).toBeGreaterThan(2);
    for (let i = 0; i < 10; i++) {
      bench.pass(70);
      bench.read(RESULT);
    }
    expect(bench.read(FRAMES) - before).toBeGreaterThan(9);
    bench.write(CONTROL, 0);
    const off = bench.read(FRAMES);
    bench.pass(1000);
    expect(bench.read(FRAMES) - off).toBeGreaterThan(58);
  });

  it('does not change within a frame, whatever is painted meanwhile', () => {
    const bench = lit(platform);
    const before = nextCrc(bench);
    bench.ram.words[0] = 0xffffff;
    expect(bench.read(RESULT)).toBe(before);
    expect(nextCrc(bench)).not.toBe(before);
  });
});

describe('the CRC of a Gen9 guest', () => {
  it('is of one plane alone if that is its source', () => {
    const bench = lit(SKL, 0);
    const primary = nextCrc(bench);
    // a second plane over a part of the first one, white
    bench.ram.words.fill(0xffffff, 40 * 1024, 42 * 1024);
    bench.write(0x70288, 4);
    bench.write(0x70290, (7 << 16) | 15);
    bench.write(0x70280, 0x84000000);
    bench.write(0x7029c, (BASE_PAGE + 40) * PAGE_SIZE);
    expect(nextCrc(bench)).toBe(primary);
    bench.write(CONTROL, (ENABLE | WHOLE.SKL) >>> 0);
    expect(nextCrc(bench)).not.toBe(primary);
  });

  it('has the cursor in it', () => {
    const bench = lit();
    const without = nextCrc(bench);
    bench.ram.words.fill(0xffffffff, 40 * 1024, 44 * 1024);
    bench.write(0x70080, 0x27);
    bench.write(0x70088, (3 << 16) | 3);
    bench.write(0x70084, (BASE_PAGE + 40) * PAGE_SIZE);
    expect(nextCrc(bench)).not.toBe(without);
  });

  it('is like no other while the picture cannot be decoded', () => {
    const bench = lit();
    bench.write(0x70180, 0x84000001);
    const seen = Array.from({ length: 5 }, () => nextCrc(bench));
    expect(new Set(seen).size).toBe(5);
  });

  it('of a large picture makes its frames fewer', () => {
    const bench = lit();
    bench.write(0x6001c, (4095 << 16) | 2303);
    const before = bench.read(FRAMES);
    for (let ms = 0; ms < 1000; ms++) {
      bench.pass(1);
      if (bench.events().includes('PIPE_CRC_DONE')) take(bench);
      bench.raised.length = 0;
    }
    const frames = bench.read(FRAMES) - before;
    expect(frames).toBeGreaterThan(3);
    expect(frames).toBeLessThan(14);
    // the other pipes have their part of the time, whether they use it or not
    for (const other of [0x1000, 0x2000]) bench.write(CONTROL + other, (ENABLE | WHOLE.SKL) >>> 0);
    const alone = bench.read(FRAMES);
    for (let ms = 0; ms < 1000; ms++) {
      bench.pass(1);
      if (bench.events().includes('PIPE_CRC_DONE')) take(bench);
      bench.raised.length = 0;
    }
    expect(bench.read(FRAMES) - alone).toBeLessThan(frames / 2);
  });
});
