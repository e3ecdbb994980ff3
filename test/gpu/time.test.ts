import { describe, expect, it } from 'vitest';
import { DEFAULT_COST } from '../../src/gpu/index.js';
import { CMD, MI_USE_GGTT } from '../../src/hw/commands/index.js';
import { BCS, RCS, RING } from '../../src/hw/index.js';
import { batchStart, Context, Driver, Ppgtt, storeDword } from './driver.js';

const DRAW = [CMD['3DPRIMITIVE'] | 5, 0, 0, 0, 0, 0, 0];
const MS = 1_000_000;

describe('engine time', () => {
  it('passes by the declared cost: a list is done when it has been paid for, and not before', () => {
    const driver = new Driver('SKL', { granularity: 1 });
    const context = new Context(driver, RCS, 1);
    for (let i = 0; i < 10; i++) context.emit(...DRAW);
    driver.submit(RCS, context);
    const price = DEFAULT_COST.contextRestore + 10 * DEFAULT_COST.draw + 10 * DEFAULT_COST.noop;
    driver.run(price - 1);
    expect(driver.events(RCS)).toHaveLength(1);
    driver.run(1);
    expect(driver.events(RCS)).toHaveLength(1);
    expect(driver.gpu.busyNs[0]).toBe(price + DEFAULT_COST.contextSave);
  });

  it('is larger for more vertices, up to a limit', () => {
    const busy = [100, 1000, 1e9].map((vertices) => {
      const driver = new Driver();
      driver.submit(RCS, new Context(driver, RCS, 1).emit(CMD['3DPRIMITIVE'] | 5, 0, vertices, 0, 1, 0, 0));
      driver.run(10 * MS);
      return driver.gpu.busyNs[0]!;
    });
    expect(busy[1]! - busy[0]!).toBe(900 * DEFAULT_COST.drawVertex);
    expect(busy[2]).toBeLessThan(DEFAULT_COST.drawMost + 10_000);
  });

  it('starts at the doorbell, not when the device was last looked at', () => {
    const driver = new Driver();
    driver.run(5 * MS);
    driver.submit(RCS, new Context(driver, RCS, 1).emit(...DRAW));
    driver.run(DEFAULT_COST.contextRestore + DEFAULT_COST.draw - 100);
    expect(driver.events(RCS)).toHaveLength(1);
  });

  it('goes on while the device has nothing to do: a driver that reads the timestamp twice sees it', () => {
    let now = 0;
    const driver = new Driver('SKL', { clock: { now: () => now } });
    const read = () => driver.gpu.read32(driver.base(RCS) + RING.TIMESTAMP);
    const first = read();
    now = 1000 * MS;
    expect((read() - first) / driver.gpu.platform.timestampHz).toBeCloseTo(1, 3);
  });

  it('runs on two engines at once, and what they do to memory happens in the order of time', () => {
    const driver = new Driver();
    const memory = driver.memoryOf(1, 1);
    const space = new Ppgtt(driver, 1);
    space.map(0x1000, driver.gpu.frameBase(1));
    const slow = new Context(driver, RCS, 1, space).emit(...DRAW, ...storeDword(0x1000, 1));
    const quick = new Context(driver, BCS, 1, space).emit(...new Array(100).fill(0), ...storeDword(0x1000, 2));
    driver.submit(RCS, slow);
    driver.submit(BCS, quick);
    // One call lets both finish; the slower one's store comes last although it was submitted first.
    driver.gpu.advance(MS);
    expect(memory.words[0]).toBe(1);
    expect(driver.gpu.busyNs[0]).toBeGreaterThan(driver.gpu.busyNs[1]!);
    expect(driver.gpu.busyNs[1]).toBeGreaterThan(0);
  });

  it('is the same however the caller cuts it', () => {
    const trace = (step: number): unknown[] => {
      const driver = new Driver();
      const memory = driver.memoryOf(1, 1);
      const space = new Ppgtt(driver, 1);
      space.map(0x1000, driver.gpu.frameBase(1));
      const control = (address: number): number[] => [CMD.PIPE_CONTROL | 4, 3 << 14, address, 0, 0, 0];
      const first = new Context(driver, RCS, 1, space).emit(...control(0x1000), ...DRAW, ...control(0x1008));
      const second = new Context(driver, RCS, 1, space).emit(...control(0x1010));
      driver.submit(RCS, first, second);
      for (let now = 0; now <= 100_000; now += step) driver.gpu.advance(now);
      return [...memory.words.subarray(0, 6), driver.gpu.busyNs[0]];
    };
    const whole = trace(100_000);
    expect(trace(100)).toEqual(whole);
    expect(trace(7_777)).toEqual(whole);
  });

  it('is bounded for the host: what it has no time for takes longer, and holds up no other engine', () => {
    const driver = new Driver('SKL', { commandsPerAdvance: 50 });
    const batch = driver.gpu.allocate(1, 1);
    const address = driver.mapGgtt(batch.mfn, 1);
    // It does something, or its turns would be made to take longer.
    batch.words.set([...storeDword(address + 2048, 1, MI_USE_GGTT), ...batchStart(address, 0)], batch.at);
    driver.submit(RCS, new Context(driver, RCS, 1).emit(...batchStart(address, 0)));
    for (let now = MS; now <= 20 * MS; now += MS) {
      const before = driver.gpu.counters.commands;
      driver.gpu.advance(now);
      expect(driver.gpu.counters.commands - before).toBeLessThanOrEqual(50);
      expect(driver.gpu.exhausted).toBe(true);
      expect(driver.gpu.nextDue()).toBe(now);
      expect(driver.gpu.busyNs[0]).toBe(now);
    }
    driver.submit(BCS, new Context(driver, BCS, 1).emit(...new Array<number>(64).fill(0)));
    for (let call = 0; call < 3; call++) driver.gpu.advance(20 * MS + 20_000 * (call + 1));
    expect(driver.events(BCS)).toHaveLength(2);
  });

  it('is passed by a batch that only goes in circles at little cost to the host, until the CPU breaks the circle', () => {
    const driver = new Driver();
    const batch = driver.gpu.allocate(1, 1);
    const address = driver.mapGgtt(batch.mfn, 1);
    batch.words.set([CMD.MI_ARB_CHECK, ...new Array<number>(500).fill(0), ...batchStart(address, 0)], batch.at);
    driver.submit(RCS, new Context(driver, RCS, 1).emit(...batchStart(address, 0)));
    const seen = new Set<number>();
    for (let now = MS; now <= 100 * MS; now += MS / 10) {
      driver.gpu.advance(now);
      seen.add(driver.gpu.read32(driver.base(RCS) + RING.ACTHD) - address);
    }
    expect(driver.gpu.busyNs[0]).toBeGreaterThanOrEqual(100 * MS - 100_000);
    expect(driver.gpu.counters.commands).toBeLessThan(100 * 20 * 510);
    // A driver that looks for progress finds it.
    expect(seen.size).toBeGreaterThan(10);
    expect(Math.max(...seen)).toBeLessThan(2012);
    batch.words[batch.at] = CMD.MI_BATCH_BUFFER_END;
    driver.gpu.advance(100 * MS + 200_000);
    expect(driver.events(RCS)).toHaveLength(2);
  });

  it('wakes nobody while there is nothing to do', () => {
    const driver = new Driver();
    expect(driver.gpu.nextDue()).toBe(Number.POSITIVE_INFINITY);
    expect(driver.gpu.advance(5)).toBe(false);
    driver.submit(RCS, new Context(driver, RCS, 1).emit(...DRAW));
    expect(driver.gpu.nextDue()).toBe(5);
    expect(driver.gpu.advance(5)).toBe(true);
    expect(driver.gpu.nextDue()).toBeGreaterThan(5);
  });
});

describe('timestamps', () => {
  it('count at the platform rate, 36 bits wide', () => {
    const driver = new Driver('SKL');
    driver.gpu.advance(2_500_000_000);
    const low = driver.base(BCS) + RING.TIMESTAMP;
    expect(driver.gpu.read32(low)).toBe(30_000_000);
    driver.gpu.advance(1000 * 1e9);
    expect(driver.gpu.read32(low)).toBe(12_000_000_000 % 2 ** 32);
    expect(driver.gpu.read32(low + 4)).toBe(2);
    expect(new Driver('BDW').gpu.platform.timestampHz).toBe(12_500_000);
  });

  it('of a context count only while it runs', () => {
    const driver = new Driver();
    const context = new Context(driver, RCS, 1);
    for (let i = 0; i < 100; i++) context.emit(...DRAW);
    driver.submit(RCS, context);
    driver.run(10 * MS);
    const once = context.get(0x23);
    expect(once).toBeCloseTo((100 * (DEFAULT_COST.draw + DEFAULT_COST.noop) * 12) / 1000, -2);
    for (let i = 0; i < 100; i++) context.emit(...DRAW);
    driver.submit(RCS, context);
    driver.run(10 * MS);
    expect(context.get(0x23)).toBeCloseTo(2 * once, -1);
  });
});
