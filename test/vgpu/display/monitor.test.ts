import { describe, expect, it } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import { EDIDS, edidFault, TIMING_1920X1200 } from '../../../src/hw/index.js';
import { BDW, Bench, CFL, Driver, SKL } from './bench-guest.js';

const PORT = { SKL: 'D', BDW: 'B', CFL: 'D' } as const;
const PLATFORMS = [
  { platform: SKL, port: PORT.SKL, pin: 6, live: 1 << 23 },
  { platform: BDW, port: PORT.BDW, pin: 5, live: 1 << 21 },
  { platform: CFL, port: PORT.CFL, pin: 3, live: 1 << 23 },
] as const;

describe('the monitor that a guest finds', () => {
  it.each(Object.keys(EDIDS) as (keyof typeof EDIDS)[])(
    'its %s EDID has the header, checksum and mode it promises',
    (name) => {
      const edid = EDIDS[name];
      const [width, height] = name.split('x').map(Number);
      expect(edid.length).toBe(128);
      expect(edidFault(edid)).toBeNull();
      expect([...edid.subarray(0, 8)]).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
      const detailed = edid.subarray(54, 72);
      expect(detailed[2]! | ((detailed[4]! >> 4) << 8)).toBe(width);
      expect(detailed[5]! | ((detailed[7]! >> 4) << 8)).toBe(height);
      const total = (low: number, high: number): number => detailed[low]! | ((detailed[high]! & 15) << 8);
      const hTotal = width! + total(3, 4);
      const vTotal = height! + total(6, 7);
      const clock = (detailed[0]! | (detailed[1]! << 8)) * 10_000;
      expect(clock / (hTotal * vTotal)).toBeCloseTo(60, 0);
    },
  );

  it('is 1920x1200 with reduced blanking when the vGPU type says so', () => {
    const edid = EDIDS['1920x1200'];
    expect(edid[62]! | ((edid[65]! >> 6) << 8)).toBe(TIMING_1920X1200.hSyncStart - TIMING_1920X1200.width);
    expect(edid[63]).toBe(TIMING_1920X1200.hSyncEnd - TIMING_1920X1200.hSyncStart);
    expect(edid[71]! & 6).toBe(2);
  });

  it('cannot be given a broken EDID', () => {
    const edid = EDIDS['1024x768'].slice();
    edid[20] = edid[20]! ^ 1;
    expect(edidFault(edid)).not.toBeNull();
    expect(() => new Bench(SKL, { edid })).toThrow(XengtError);
  });

  describe.each(PLATFORMS)('on $platform.name port $port', ({ platform, port, pin, live }) => {
    it('is live in the hotplug status, and the strap declares all outputs', () => {
      const bench = new Bench(platform);
      expect(bench.read(0xc4000)).toBe(live);
      expect(bench.read(0xc2014) & 7).toBe(7);
      expect(bench.read(port === 'D' ? 0x64300 : 0x64100)).toBe(0x80);
      const unplugged = new Bench(platform, { monitor: false });
      expect(unplugged.read(0xc4000)).toBe(0);
    });

    it('gives its EDID over AUX byte for byte', () => {
      const driver = new Driver(new Bench(platform));
      expect(driver.readEdidOverAux(port)).toEqual([...EDIDS['1024x768']]);
    });

    it('gives its EDID over GMBUS byte for byte, from any index', () => {
      const driver = new Driver(new Bench(platform));
      expect(driver.gmbusRead(pin, 0x50, 0, 128)).toEqual([...EDIDS['1024x768']]);
      expect(driver.gmbusRead(pin, 0x50, 54, 18)).toEqual([...EDIDS['1024x768'].subarray(54, 72)]);
      expect(driver.gmbusRead(pin, 0x50, 126, 3)).toEqual([...EDIDS['1024x768'].subarray(126), 0xff]);
    });

    it('raises the AUX interrupt of its channel', () => {
      const bench = new Bench(platform);
      new Driver(bench).readDpcd(port, 0, 1);
      expect(bench.events()).toEqual([`AUX_${port}`]);
    });

    it('is nobody at other slave addresses and on other pins, at once and without a stuck bus', () => {
      const driver = new Driver(new Bench(platform));
      expect(driver.gmbusRead(pin, 0x37, 0, 1)).toBeNull();
      for (let other = 0; other < 8; other++) {
        if (other !== pin) expect(driver.gmbusRead(other, 0x50, 0, 1)).toBeNull();
      }
      expect(driver.gmbusRead(pin, 0x50, 0, 8)).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
    });

    it('on a port without a monitor AUX times out', () => {
      const driver = new Driver(new Bench(platform));
      expect(driver.readDpcd('C', 0, 1).timeout).toBe(true);
      const unplugged = new Driver(new Bench(platform, { monitor: false }));
      expect(unplugged.readDpcd(port, 0, 1).timeout).toBe(true);
      expect(unplugged.gmbusRead(pin, 0x50, 0, 1)).toBeNull();
    });
  });

  it('can be kept off the I2C wires, so that only DisplayPort sees it', () => {
    const driver = new Driver(new Bench(SKL, { ddc: false }));
    expect(driver.gmbusRead(6, 0x50, 0, 1)).toBeNull();
    expect(driver.readEdidOverAux('D')).toEqual([...EDIDS['1024x768']]);
  });

  it('answers a driver that writes the word address by GMBUS before it reads', () => {
    const bench = new Bench();
    bench.write(0xc5100, 6);
    bench.write(0xc510c, 54);
    bench.write(0xc5104, 0x42000000 | (1 << 16) | (0x50 << 1));
    expect(bench.read(0xc5108) & 0x4000).not.toBe(0);
    bench.write(0xc5104, 0x42000000 | (4 << 16) | (0x50 << 1) | 1);
    const expected = EDIDS['1024x768'].subarray(54, 58);
    expect(bench.read(0xc510c)).toBe(new DataView(expected.slice().buffer).getUint32(0, true));
  });

  it('interrupts a driver that waits for GMBUS instead of polling', () => {
    const bench = new Bench();
    bench.write(0xc5100, 6);
    bench.write(0xc5104, 0x46040000 | (0x50 << 1) | 1);
    bench.write(0xc5110, 1);
    expect(bench.events()).toEqual(['GMBUS']);
  });

  it('leaves the bit-banged lines of an empty bus high unless the guest pulls them low', () => {
    const bench = new Bench();
    expect(bench.read(0xc5018)).toBe(0x1010);
    // drive data low
    bench.write(0xc5018, 0x700);
    expect(bench.read(0xc5018) & 0x1010).toBe(0x10);
    // release it
    bench.write(0xc5018, 0x100);
    expect(bench.read(0xc5018) & 0x1010).toBe(0x1010);
  });
});

describe('the DPCD', () => {
  it('describes a DP 1.2 receiver with four HBR2 lanes and one sink', () => {
    const driver = new Driver(new Bench());
    expect(driver.readDpcd('D', 0, 3)).toEqual({ timeout: false, code: 0, bytes: [0x12, 0x14, 0xc4] });
    expect(driver.readDpcd('D', 0x200, 1).bytes).toEqual([1]);
    // not multi-stream, no reserved field is other than zero
    expect(driver.readDpcd('D', 0x21, 1).bytes).toEqual([0]);
    expect(driver.readDpcd('D', 0xe0000, 12).bytes).toEqual(new Array(12).fill(0));
  });

  it('keeps what is written to the link configuration and refuses to change its capabilities', () => {
    const driver = new Driver(new Bench());
    expect(driver.writeDpcd('D', 0x103, 1, 2, 3, 4).code).toBe(0);
    expect(driver.readDpcd('D', 0x103, 4).bytes).toEqual([1, 2, 3, 4]);
    expect(driver.writeDpcd('D', 0x000, 0x14)).toEqual({ timeout: false, code: 0x10, bytes: [0] });
    expect(driver.readDpcd('D', 0x000, 1).bytes).toEqual([0x12]);
    // a run that ends outside what can be written says how much of it was taken
    expect(driver.writeDpcd('D', 0x1fe, 7, 7, 7)).toEqual({ timeout: false, code: 0x10, bytes: [2] });
  });

  it('answers an unknown request and an absent I2C device with a NAK', () => {
    const driver = new Driver(new Bench());
    expect(driver.aux('D', [0xf0, 0, 0, 0]).code).toBe(0x10);
    expect(driver.aux('D', [0x40, 0, 0x37]).code).toBe(0x40);
    expect(driver.aux('D', [0x30, 0, 0x50, 0]).code).toBe(0x40);
  });

  it('has nothing in the segments that the EDID does not have', () => {
    const driver = new Driver(new Bench());
    driver.aux('D', [0x40, 0, 0x30, 0, 1]);
    driver.aux('D', [0x40, 0, 0x50, 0, 0]);
    expect(driver.aux('D', [0x10, 0, 0x50, 3]).bytes).toEqual([255, 255, 255, 255]);
    // the stop took the segment pointer back
    driver.aux('D', [0x40, 0, 0x50, 0, 0]);
    expect(driver.aux('D', [0x10, 0, 0x50, 3]).bytes).toEqual([0, 255, 255, 255]);
  });

  it('survives every request that a guest can put together', () => {
    const bench = new Bench();
    for (let command = 0; command < 16; command++) {
      for (let size = 0; size < 32; size++) {
        bench.write(0x64314, ((command << 28) | 0x0fffffff) >>> 0);
        bench.write(0x64310, (0xfe00023f | (size << 20)) >>> 0);
        const status = bench.read(0x64310);
        expect(status & 0xc0000000).toBe(0x40000000);
        expect((status >>> 20) & 31).toBeLessThanOrEqual(20);
      }
    }
  });
});

describe('link training', () => {
  it.each([
    [0x06, 1],
    [0x0a, 2],
    [0x14, 4],
  ])('succeeds at rate %i on %i lanes, phase by phase, on those lanes only', (rate, lanes) => {
    const bench = new Bench();
    const { recovered, equalised } = new Driver(bench).trainLink('D', rate, lanes);
    const status = (lane: number): number[] =>
      [0, 2].map((first) => (first < lanes ? lane : 0) | (first + 1 < lanes ? lane << 4 : 0));
    expect(recovered.slice(0, 3)).toEqual([...status(1), 0]);
    expect(equalised.slice(0, 3)).toEqual([...status(7), 1]);
    expect(bench.display.linkTrained).toBe(true);
  });

  it('fails at a rate that the monitor does not have', () => {
    const bench = new Bench();
    expect(new Driver(bench).trainLink('D', 0x1e, 4).equalised.slice(0, 3)).toEqual([0, 0, 0]);
    expect(bench.display.linkTrained).toBe(false);
  });

  it('cannot skip clock recovery', () => {
    const driver = new Driver(new Bench());
    driver.writeDpcd('D', 0x100, 0x14, 0x84);
    driver.writeDpcd('D', 0x102, 0x22);
    expect(driver.readDpcd('D', 0x202, 3).bytes).toEqual([0, 0, 0]);
  });

  it('is lost when the monitor is put to sleep or unplugged', () => {
    const bench = new Bench();
    const driver = new Driver(bench);
    driver.trainLink('D', 0x14, 4);
    expect(driver.readDpcd('D', 0x200c, 3).bytes).toEqual([0x77, 0x77, 1]);
    driver.writeDpcd('D', 0x600, 2);
    expect(driver.readDpcd('D', 0x202, 3).bytes).toEqual([0, 0, 0]);
    driver.trainLink('D', 0x14, 4);
    bench.display.setMonitor(false);
    expect(bench.display.linkTrained).toBe(false);
    bench.display.setMonitor(true);
    expect(driver.readDpcd('D', 0x202, 3).bytes).toEqual([0, 0, 0]);
  });

  it('of a port that is switched off shows the port idle', () => {
    const bench = new Bench();
    new Driver(bench).trainLink('D', 0x14, 4);
    expect(bench.read(0x64300) & 0x80).toBe(0);
    bench.write(0x64300, 6);
    expect(bench.read(0x64300)).toBe(0x86);
  });
});

describe('hotplug', () => {
  it('tells a guest that listens, with a long pulse that the guest clears', () => {
    const bench = new Bench(SKL, { monitor: false });
    bench.write(0xc4030, 1 << 20);
    bench.display.setMonitor(true);
    expect(bench.events()).toEqual(['HOTPLUG_D']);
    expect(bench.read(0xc4000)).toBe(1 << 23);
    const status = bench.read(0xc4030);
    expect(status).toBe((1 << 20) | (2 << 16));
    bench.write(0xc4030, status);
    expect(bench.read(0xc4030)).toBe(1 << 20);
    bench.display.setMonitor(false);
    expect(bench.events()).toEqual(['HOTPLUG_D', 'HOTPLUG_D']);
    expect(bench.read(0xc4000)).toBe(0);
  });

  it('of a port stays pending while the guest clears another port’s', () => {
    const bench = new Bench(SKL, { monitor: false });
    bench.write(0xc4030, (1 << 20) | (1 << 4));
    bench.display.setMonitor(true);
    bench.bank[0xc4030 >>> 2] = bench.bank[0xc4030 >>> 2]! | 2;
    bench.write(0xc4030, (1 << 20) | (1 << 4) | 3);
    expect(bench.read(0xc4030)).toBe((2 << 16) | (1 << 20) | (1 << 4));
    // status never appears because it is written
    bench.write(0xc4030, 0x03030303);
    expect(bench.read(0xc4030)).toBe(0);
    for (const register of [0xc403c, 0x44030]) {
      bench.bank[register >>> 2] = 3;
      bench.write(register, 0x11);
      expect(bench.read(register)).toBe(0x12);
    }
  });

  it('is silent for a guest that does not, and when nothing changes', () => {
    const bench = new Bench(BDW, { monitor: false });
    bench.display.setMonitor(true);
    bench.write(0xc4030, 1 << 4);
    bench.display.setMonitor(true);
    expect(bench.events()).toEqual([]);
    expect(bench.read(0xc4000)).toBe(1 << 21);
  });

  it('shows live state that no write can change', () => {
    const bench = new Bench();
    bench.write(0xc4000, 0xffffffff);
    expect(bench.read(0xc4000)).toBe(1 << 23);
  });
});
