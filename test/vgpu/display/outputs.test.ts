import { describe, expect, it } from 'vitest';
import { edidOfMode, type ModeLine, type Plug, parseMode } from '../../../src/hw/index.js';
import { BDW, Bench, CFL, Driver, SKL } from './bench-guest.js';

const PIN_B = { SKL: 5, BDW: 5, CFL: 1 } as const;
const edid = (line: string, plug: Plug): Uint8Array => edidOfMode(parseMode(line) as ModeLine, plug);
const HDMI = edid('1920x1080@60', 'HDMI');
const DP = edid('2560x1440@60', 'DP');

/** A vGPU whose DP monitors do not answer on wires, as vGPUs are. */
const bench = (platform = SKL, outputs: ConstructorParameters<typeof Bench>[1] = {}): Bench =>
  new Bench(platform, { ddc: false, ...outputs });

describe('several monitors', () => {
  it.each([
    ['SKL', SKL],
    ['BDW', BDW],
    ['CFL', CFL],
  ] as const)('on %s: an HDMI monitor on port B is found by its wires and not by AUX', (name, platform) => {
    const one = bench(platform, {
      monitor: false,
      outputs: [{ port: 'B', plug: 'HDMI', edid: HDMI, connected: true }],
    });
    const driver = new Driver(one);
    expect(driver.gmbusRead(PIN_B[name], 0x50, 0, 128)).toEqual([...HDMI.subarray(0, 128)]);
    expect(driver.gmbusRead(PIN_B[name], 0x50, 128, 128)).toEqual([...HDMI.subarray(128)]);
    expect(driver.readDpcd('B', 0, 1).timeout).toBe(true);
    expect(one.read(0xc4000)).toBe(1 << 21);
  });

  it('each have their own EDID and their own link', () => {
    const one = bench(SKL, { outputs: [{ port: 'C', edid: DP, connected: true }] });
    const driver = new Driver(one);
    expect(driver.readEdidOverAux('C')).toEqual([...DP]);
    expect(driver.readEdidOverAux('D')).not.toEqual([...DP]);
    driver.trainLink('C', 0x14, 4);
    expect(driver.readDpcd('C', 0x202, 3).bytes).toEqual([0x77, 0x77, 1]);
    expect(driver.readDpcd('D', 0x202, 3).bytes).toEqual([0, 0, 0]);
    expect(one.read(0xc4000)).toBe((1 << 22) | (1 << 23));
  });

  it('stay plugged in over a reset of the device', () => {
    const one = bench(SKL, { outputs: [{ port: 'B', plug: 'HDMI', connected: true }] });
    one.reset();
    expect(one.read(0xc4000)).toBe((1 << 21) | (1 << 23));
    expect(one.read(0xc2014) & 7).toBe(7);
  });
});

describe('a monitor that is exchanged', () => {
  it('is told by one long pulse of its port, and found by whoever looks', () => {
    const one = bench();
    one.write(0xc4030, (1 << 20) | (1 << 12) | (1 << 4));
    one.display.plug('D', { edid: DP });
    expect(one.events()).toEqual(['HOTPLUG_D']);
    expect(one.read(0xc4030) & 0x30303).toBe(2 << 16);
    expect(new Driver(one).readEdidOverAux('D')).toEqual([...DP]);
  });

  it('for one of another plug answers by that plug alone', () => {
    const one = bench();
    one.display.plug('D', { plug: 'HDMI', edid: HDMI });
    const driver = new Driver(one);
    expect(driver.readDpcd('D', 0, 1).timeout).toBe(true);
    expect(driver.gmbusRead(6, 0x50, 0, 8)).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
    one.display.plug('D', { plug: 'DP' });
    expect(driver.readDpcd('D', 0, 1).bytes).toEqual([0x12]);
    expect(driver.gmbusRead(6, 0x50, 0, 8)).toBeNull();
  });

  it('for itself, or while it is unplugged, is nothing that a guest notices', () => {
    const one = bench(SKL, { monitor: false });
    one.write(0xc4030, 1 << 20);
    one.display.plug('D', { edid: DP });
    one.display.plug('D', { connected: false });
    expect(one.events()).toEqual([]);
    one.display.plug('D', { connected: true });
    one.display.plug('D', { edid: DP, plug: 'DP', connected: true });
    expect(one.events()).toEqual(['HOTPLUG_D']);
    expect(new Driver(one).readEdidOverAux('D')).toEqual([...DP]);
  });

  it('for one with a broken EDID stays as it was', () => {
    const one = bench();
    const broken = Uint8Array.from(DP);
    broken[127] = broken[127]! ^ 1;
    const before = one.display.save();
    expect(() => one.display.plug('D', { edid: broken, plug: 'HDMI' })).toThrow(
      /^The EDID for port D can not be used: the checksum of block 0/,
    );
    expect(one.display.save()).toEqual(before);
  });

  it('loses its link', () => {
    const one = bench();
    new Driver(one).trainLink('D', 0x14, 4);
    expect(one.display.linkTrained).toBe(true);
    one.display.plug('D', { edid: DP });
    expect(one.display.linkTrained).toBe(false);
  });

  it('is there again when the display is restored', () => {
    const one = bench();
    one.display.plug('B', { plug: 'HDMI', edid: HDMI, connected: true });
    const other = bench();
    other.display.restore(structuredClone(one.display.save()));
    expect(other.display.save()).toEqual(one.display.save());
    expect(new Driver(other).gmbusRead(5, 0x50, 0, 128)).toEqual([...HDMI.subarray(0, 128)]);
  });
});

describe('an operator', () => {
  it('sees what is plugged in where, and which pipe shows on it', () => {
    const one = bench(SKL, { outputs: [{ port: 'B', plug: 'HDMI', edid: HDMI, connected: true }] });
    // TRANS_DDI_FUNC_CTL of transcoder B: port B, HDMI; then the pipe
    one.write(0x61400, 0x90000000);
    one.write(0x71008, 0x80000000);
    const lines = one.display
      .outputInfos()
      .map(({ port, plug, connected, preferred, pipe }) => `${port} ${plug} ${connected} ${preferred} ${pipe}`);
    expect(lines).toEqual(['B HDMI true 1920x1080@60 B', 'C DP false 1024x768@60 null', 'D DP true 1024x768@60 null']);
  });
});

describe('the rate of an HDMI mode', () => {
  it('is what the PLL of its port makes', () => {
    const one = bench(SKL, { outputs: [{ port: 'B', plug: 'HDMI', edid: HDMI, connected: true }] });
    // 1920x1080 with reduced blanking: 2080 x 1111 pixels
    one.write(0x60000, ((2080 - 1) << 16) | (1920 - 1));
    one.write(0x6000c, ((1111 - 1) << 16) | (1080 - 1));
    one.write(0x60010, ((1111 - 1) << 16) | (1080 - 1));
    // PLL 1 in HDMI mode feeds port B: 346.25 x 24 MHz by 2 x 3 x 2, a fifth of which is 138.5 MHz
    one.write(0x6c058, 0x3 | (0x20 << 6));
    one.write(0x6c05c, (1 << 4) | (1 << 3));
    one.write(0x6c040, 0x80000000 | 346 | (0x2000 << 9));
    one.write(0x6c044, (2 << 8) | 0x80 | (1 << 5) | (2 << 2));
    one.write(0x60400, 0x90000000);
    one.write(0x70008, 0x80000000);
    expect(one.display.mode()).toEqual({ width: 1920, height: 1080, refreshHz: 59.93 });
  });
});
