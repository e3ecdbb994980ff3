import { describe, expect, it } from 'vitest';
import { NEVER, NS_PER_MS } from '../../../src/base/index.js';
import { BDW, Bench, Driver, SKL } from './bench-guest.js';

const VBLANK = 1;
const FLIP_DONE = { SKL: 1 << 3, BDW: 1 << 4 } as const;
/** 1344 x 806 pixels at 162 MHz x M / N. */
const PERIOD = Math.round((1344 * 806 * 1e6) / ((162_000 * 0x335ba) / 0x80000));
const VTOTAL = 806;
const ACTIVE = 768;

function lit(platform = SKL): { bench: Bench; driver: Driver } {
  const bench = new Bench(platform);
  const driver = new Driver(bench);
  driver.setMode1024();
  return { bench, driver };
}

describe.each([SKL, BDW])('a pipe of $name', (platform) => {
  it('runs at the rate that link clock, M/N and totals give', () => {
    const { bench } = lit(platform);
    expect(bench.display.mode()).toEqual({ width: 1024, height: 768, refreshHz: 60 });
    expect(bench.read(0x70008)).toBe(0xc0000000);
  });

  it('raises vblanks at exact multiples of the frame period', () => {
    const { bench, driver } = lit(platform);
    driver.enablePipeInterrupts(VBLANK);
    bench.pass(1000);
    expect(bench.raised.length).toBe(Math.floor((1000 * NS_PER_MS) / PERIOD));
    bench.raised.forEach(({ event, at }, i) => {
      expect(event).toBe('PIPE_VBLANK');
      expect(at).toBe((i + 1) * PERIOD);
    });
  });

  it('completes a flip at the next vblank', () => {
    const { bench, driver } = lit(platform);
    driver.enablePipeInterrupts(FLIP_DONE[platform.name as 'SKL' | 'BDW']);
    expect(bench.display.nextDue()).toBe(NEVER);
    bench.pass(20);
    const before = bench.read(0x70040);
    bench.write(0x7019c, 0x123000);
    expect(bench.read(0x701ac)).toBe(0x123000);
    expect(bench.read(0x70044)).toBe(1);
    expect(bench.events()).toEqual([]);
    bench.pass(20);
    expect(bench.events().filter((event) => event === 'PRIMARY_FLIP_DONE')).toHaveLength(1);
    expect(bench.raised.at(-1)!.at).toBe((before + 1) * PERIOD);
    expect(bench.display.nextDue()).toBe(NEVER);
  });

  it('completes an asynchronous flip at once', () => {
    const { bench } = lit(platform);
    bench.write(0x70180, 0x80000200);
    bench.write(0x7019c, 0x123000);
    expect(bench.events()).toEqual(['PRIMARY_FLIP_DONE']);
  });
});

describe('vblanks', () => {
  it('cost no timer while masked, disabled, or while the pipe is off', () => {
    const { bench, driver } = lit();
    driver.maskPipeInterrupts();
    expect(bench.display.nextDue()).toBe(NEVER);
    bench.write(0x44404, ~VBLANK >>> 0);
    bench.write(0x4440c, 0);
    expect(bench.display.nextDue()).toBe(NEVER);
    driver.enablePipeInterrupts(VBLANK);
    expect(bench.display.nextDue()).toBe(PERIOD);
    driver.pipeOff();
    expect(bench.display.nextDue()).toBe(NEVER);
    bench.pass(100);
    expect(bench.events()).toEqual([]);
  });

  it('that passed while masked are not delivered late', () => {
    const { bench, driver } = lit();
    bench.pass(100);
    driver.enablePipeInterrupts(VBLANK);
    const passed = bench.read(0x70040);
    expect(passed).toBe(Math.floor((100 * NS_PER_MS) / PERIOD));
    expect(bench.display.nextDue()).toBe((passed + 1) * PERIOD);
    driver.maskPipeInterrupts();
    bench.pass(100);
    driver.enablePipeInterrupts(VBLANK);
    expect(bench.display.nextDue()).toBeGreaterThan(200 * NS_PER_MS);
  });

  it('that a busy mediator missed together are one interrupt', () => {
    const { bench, driver } = lit();
    driver.enablePipeInterrupts(VBLANK);
    bench.clock.set(5 * PERIOD + 7);
    bench.display.advance(bench.clock.now());
    expect(bench.events()).toEqual(['PIPE_VBLANK']);
    expect(bench.display.nextDue()).toBe(6 * PERIOD);
  });

  it('come the same however often the mediator asks when the next is due', () => {
    const run = (asks: boolean): unknown => {
      const { bench, driver } = lit();
      const ask = (): void => {
        if (asks) bench.display.nextDue();
      };
      const step = (ms: number): void => {
        ask();
        bench.clock.set(bench.clock.now() + ms * NS_PER_MS);
        ask();
        bench.display.advance(bench.clock.now());
        ask();
      };
      step(40);
      driver.enablePipeInterrupts(VBLANK | FLIP_DONE.SKL);
      step(5);
      bench.write(0x7019c, 0x1000);
      step(30);
      driver.maskPipeInterrupts();
      step(50);
      driver.enablePipeInterrupts(VBLANK);
      step(20);
      return { raised: bench.raised, state: bench.display.save(), due: bench.display.nextDue() };
    };
    const silent = run(false);
    expect(run(true)).toEqual(silent);
    expect(silent).toMatchObject({
      raised: [{ event: 'PIPE_VBLANK' }, { event: 'PRIMARY_FLIP_DONE' }, { event: 'PIPE_VBLANK' }],
    });
  });

  it('of pipe C are pipe C’s', () => {
    const bench = new Bench();
    const driver = new Driver(bench);
    driver.setMode1024(2);
    driver.enablePipeInterrupts(VBLANK, 2);
    bench.pass(20);
    expect(bench.raised.map(({ event, pipe }) => [event, pipe])).toEqual([['PIPE_VBLANK', 2]]);
  });
});

describe('the counters', () => {
  it('start the vertical blank in the very nanosecond in which the frame counter steps', () => {
    const { bench } = lit();
    bench.clock.set(3 * PERIOD - 1);
    expect([bench.read(0x70040), bench.read(0x70000)]).toEqual([2, ACTIVE - 2]);
    bench.clock.set(3 * PERIOD);
    expect([bench.read(0x70040), bench.read(0x70000)]).toEqual([3, ACTIVE - 1]);
  });

  it('walk through all lines of a frame, each for as long as the next', () => {
    const { bench } = lit();
    const lines = new Set<number>();
    for (let line = 0; line < VTOTAL; line++) {
      bench.clock.set(Math.ceil(PERIOD + ((line + 0.5) * PERIOD) / VTOTAL));
      const scanline = bench.read(0x70000);
      expect(scanline).toBe((ACTIVE - 1 + line) % VTOTAL);
      lines.add(scanline);
    }
    expect(lines.size).toBe(VTOTAL);
  });

  it('give the same vblank time whichever moment they are read in', () => {
    const { bench } = lit();
    for (const ms of [17, 33.4, 51, 99.999]) {
      bench.clock.set(Math.round(ms * NS_PER_MS));
      const line = (bench.read(0x70000) + 1) % VTOTAL;
      const since = ((line - ACTIVE + VTOTAL) % VTOTAL) * (PERIOD / VTOTAL);
      const start = bench.read(0x70040) * PERIOD;
      expect(Math.abs(bench.clock.now() - since - start)).toBeLessThan(PERIOD / VTOTAL + 1);
    }
  });

  it('cannot be written, and go on after the pipe was off', () => {
    const { bench, driver } = lit();
    bench.pass(100);
    bench.write(0x70040, 0);
    const count = bench.read(0x70040);
    expect(count).toBe(6);
    driver.pipeOff();
    bench.pass(500);
    expect(bench.read(0x70040)).toBe(count);
    expect(bench.read(0x70008)).toBe(0);
    expect(bench.display.mode()).toBeNull();
    driver.setMode1024();
    bench.pass(17);
    expect(bench.read(0x70040)).toBe(count + 1);
    expect(bench.display.frames).toBe(7);
  });
});

describe('refresh rates', () => {
  it('fall back to 60 Hz where the link tells none or an absurd one', () => {
    for (const m of [0, 1, 0xffffff]) {
      const bench = new Bench();
      const driver = new Driver(bench);
      driver.setMode1024();
      driver.pipeOff();
      bench.write(0x60040, m);
      bench.write(0x70008, 0x80000000);
      expect(bench.display.mode()?.refreshHz).toBe(60);
    }
  });

  it('follow the PLL that feeds the port', () => {
    const bench = new Bench();
    const driver = new Driver(bench);
    driver.setMode1024();
    driver.pipeOff();
    // the same M/N at 2.7 Gbps
    bench.write(0x6c058, 0x0c5);
    bench.write(0x70008, 0x80000000);
    expect(bench.display.mode()?.refreshHz).toBeCloseTo(100, 1);
  });
});

describe('transcoder eDP', () => {
  it('lights the pipe that is routed to it', () => {
    const bench = new Bench();
    bench.write(0x6f000, 0x053f03ff);
    bench.write(0x6f00c, 0x032502ff);
    bench.write(0x6f400, 0x82005000);
    bench.write(0x7f008, 0x80000000);
    expect(bench.read(0x7f008)).toBe(0xc0000000);
    expect(bench.display.pipes.active).toBe(1);
    expect(bench.display.mode()).toEqual({ width: 1024, height: 768, refreshHz: 60 });
    bench.write(0x7f008, 0);
    expect(bench.display.pipes.active).toBe(-1);
  });
});

describe('flips', () => {
  it('by message change the plane’s surface and complete', () => {
    const { bench, driver } = lit();
    driver.enablePipeInterrupts(VBLANK | FLIP_DONE.SKL);
    bench.write(0x50080, 0x00456000);
    expect([bench.read(0x7019c), bench.read(0x701ac)]).toEqual([0x456000, 0x456000]);
    bench.pass(17);
    expect(bench.events()).toEqual(['PIPE_VBLANK', 'PRIMARY_FLIP_DONE']);
    bench.write(0x50090, 0x00789001);
    expect(bench.events().at(-1)).toBe('SPRITE_FLIP_DONE');
  });

  it('that nobody waits for are over at the vblank and do not complete later', () => {
    const { bench, driver } = lit();
    bench.write(0x7019c, 0x1000);
    bench.pass(40);
    driver.enablePipeInterrupts(FLIP_DONE.SKL);
    expect(bench.display.nextDue()).toBe(NEVER);
  });

  it('on a pipe that is off change nothing but the registers', () => {
    const bench = new Bench();
    bench.write(0x7019c, 0x1000);
    bench.write(0x70180, 0x80000200);
    bench.write(0x7019c, 0x2000);
    expect(bench.events()).toEqual([]);
    expect(bench.read(0x701ac)).toBe(0x2000);
  });
});

describe('a snapshot', () => {
  it('restored on another machine goes on as if nothing had happened', () => {
    const { bench, driver } = lit();
    driver.trainLink('D', 0x14, 4);
    driver.enablePipeInterrupts(VBLANK | FLIP_DONE.SKL);
    bench.pass(40);
    bench.write(0x7019c, 0x1000);
    const state = structuredClone(bench.display.save());
    const due = bench.display.nextDue() - bench.clock.now();

    const other = new Bench(SKL, { monitor: false });
    other.clock.set(12_345_678_901);
    other.bank.set(bench.bank);
    other.display.restore(state);
    expect(other.display.save()).toEqual(state);
    expect(other.display.nextDue() - other.clock.now()).toBe(due);
    expect(other.read(0x70040)).toBe(bench.read(0x70040));
    expect(other.read(0x70000)).toBe(bench.read(0x70000));
    expect(other.display.linkTrained).toBe(true);
    other.pass(17);
    expect(other.events()).toEqual(['PIPE_VBLANK', 'PRIMARY_FLIP_DONE']);
  });

  it('of a reset display has all pipes off and the monitor as it was plugged', () => {
    const { bench, driver } = lit();
    driver.enablePipeInterrupts(VBLANK);
    bench.display.setMonitor(false);
    bench.reset();
    expect(bench.display.mode()).toBeNull();
    expect(bench.display.nextDue()).toBe(NEVER);
    expect(bench.read(0xc4000)).toBe(0);
    expect(bench.read(0xc5108)).toBe(0x800);
  });
});

describe('small registers', () => {
  it('finish what the guest asks of them at once', () => {
    const bench = new Bench();
    bench.write(0xc7204, 1);
    expect(bench.read(0xc7200)).toBe(0x80000008);
    bench.write(0xc7204, 0);
    expect(bench.read(0xc7200)).toBe(0);
    bench.write(0x46014, 0x80000000);
    expect(bench.read(0x6c060)).toBe(0x101);
  });

  it('of Broadwell’s display clock show lock and source as asked', () => {
    const bench = new Bench(BDW);
    expect(bench.read(0x130040)).toBe(0x40000000);
    bench.write(0x130040, 1 << 21);
    expect(bench.read(0x130040)).toBe(0x40000000 | (1 << 21) | (1 << 19));
    bench.write(0x130040, 0x80000000);
    expect(bench.read(0x130040)).toBe(0x80000000);
  });

  it('end the reset of the analogue link’s PHY when the guest ends it', () => {
    const bench = new Bench(BDW);
    bench.write(0xc2004, 1 << 12);
    expect(bench.read(0xc2004)).toBe((1 << 12) | (1 << 13));
    bench.write(0xc2004, 0);
    expect(bench.read(0xc2004)).toBe(0);
    // the status is not the guest's to write
    bench.write(0xc2004, 1 << 13);
    expect(bench.read(0xc2004)).toBe(0);
  });

  it('find no analogue monitor, however the guest looks for one', () => {
    const bench = new Bench(BDW);
    bench.write(0xe1100, 0x00f50000);
    expect(bench.read(0xe1100)).toBe(0x00f40000);
    bench.write(0xe1100, 0x83000000);
    expect(bench.read(0xe1100)).toBe(0x80000000);
  });

  it('show PCH transcoders on once they are enabled', () => {
    const bench = new Bench();
    bench.write(0xf0008, 0x80000000);
    expect(bench.read(0xf0008)).toBe(0xc0000000);
    bench.write(0xf0008, 0x40000000);
    expect(bench.read(0xf0008)).toBe(0);
  });

  it('clear the status that the guest acknowledges, and no other', () => {
    const bench = new Bench();
    bench.bank[0xf0014 >>> 2] = 0x300;
    bench.write(0xf0014, 0x100);
    expect(bench.read(0xf0014)).toBe(0x200);
    bench.bank[0x42300 >>> 2] = 0x80000000;
    bench.write(0x42300, 0x80000001);
    expect(bench.read(0x42300)).toBe(1);
    bench.bank[0x64344 >>> 2] = 0x0f001000;
    bench.write(0x64344, 0x01000000);
    expect(bench.read(0x64344)).toBe(0x0e001000);
    bench.write(0x64344, 0xffffffff);
    expect(bench.read(0x64344)).toBe(0x02001000);
  });

  it('have nothing pending from a panel that refreshes itself', () => {
    const bench = new Bench();
    bench.write(0x64834, 0xffffffff);
    bench.write(0x64838, 0xffffffff);
    expect([bench.read(0x64834), bench.read(0x64838)]).toEqual([0, 0]);
  });

  it('keep a pipe scaler and drop one that is bound to a plane', () => {
    const bench = new Bench();
    bench.write(0x68180, 0x80000000);
    bench.write(0x68180, 0x82000000);
    expect(bench.read(0x68180)).toBe(0x80000000);
    bench.write(0x68174, 0x04000300);
    expect(bench.read(0x68174)).toBe(0x04000300);
  });
});
