import { describe, expect, it } from 'vitest';
import { SPACE } from '../../../src/hypervisor/port.js';
import { APERTURE, BAR0, BAR2, DOMID, MIB, rig } from './rig.js';

const REGS = 16 * MIB;
const starts = (made: ReturnType<typeof rig>) => made.domain.server.ranges.map(({ start }) => start).sort();
const slice = { hostAperture: { mfn: 0x90000, firstPage: 16, pages: 32 } };

describe('the addresses that Xen sends to the device', () => {
  it('are those of both BARs while memory decode is on', () => {
    const made = rig();
    made.port.barMoved?.(0, BAR0);
    made.port.barMoved?.(2, BAR2);
    expect(starts(made)).toEqual([]);
    expect(made.ask({ address: BAR0 })).toBe(null);
    made.port.memoryDecode?.(true);
    expect(made.domain.server.ranges).toEqual([
      { start: BAR0, bytes: REGS },
      { start: BAR2, bytes: APERTURE },
    ]);
    made.port.memoryDecode?.(false);
    expect(starts(made)).toEqual([]);
  });

  it('follow seven sizings of a boot without a refusal', () => {
    const made = rig();
    made.place();
    for (let i = 0; i < 7; i++) {
      made.port.memoryDecode?.(false);
      made.port.barMoved?.(0, BAR0);
      made.port.memoryDecode?.(true);
    }
    expect(starts(made)).toEqual([BAR2, BAR0]);
    expect(made.server.counters).toMatchObject({ rangeFailures: 0, rangeChanges: 2 + 7 * 4 });
  });

  it('follow a BAR that moves while it is decoded, also onto the other’s old place', () => {
    const made = rig();
    made.place();
    made.port.barMoved?.(0, 0xd0000000);
    expect(starts(made)).toEqual([0xd0000000, BAR2]);
    made.port.barMoved?.(2, BAR0 - APERTURE + REGS);
    made.port.barMoved?.(0, BAR2);
    expect(starts(made)).toEqual([BAR2, BAR0 - APERTURE + REGS]);
    made.ask({ address: BAR2 + 8, write: true, lo: 3 });
    expect(made.device.writes).toEqual([{ space: SPACE.BAR0, offset: 8, bytes: 4, lo: 3, hi: 0 }]);
    expect(made.server.counters.rangeFailures).toBe(0);
  });

  it('do not change when a BAR is told again where it is', () => {
    const made = rig();
    made.place();
    made.xen.calls = [];
    made.port.barMoved?.(0, BAR0);
    made.port.memoryDecode?.(true);
    expect(made.xen.calls).toEqual([]);
  });

  it('are none for a BAR that nobody has placed, or beyond what there can be', () => {
    const made = rig();
    made.port.barMoved?.(0, 0);
    made.port.barMoved?.(2, 2 ** 48 - 4096);
    made.port.memoryDecode?.(true);
    expect(starts(made)).toEqual([]);
    made.port.barMoved?.(0, 2 ** 40);
    expect(starts(made)).toEqual([2 ** 40]);
    expect(made.ask({ address: 2 ** 40 + 4 })?.done).toBe(true);
  });

  it('of BARs laid over each other are those of the first; the second comes when there is room', () => {
    const made = rig();
    made.port.barMoved?.(0, BAR0);
    made.port.barMoved?.(2, BAR0 - 4 * MIB);
    made.port.memoryDecode?.(true);
    expect(starts(made)).toEqual([BAR0]);
    expect(made.server.counters.rangeFailures).toBe(1);
    made.port.barMoved?.(0, 0xd0000000);
    expect(starts(made)).toEqual([0xd0000000, BAR0 - 4 * MIB]);
  });

  it('that Xen refuses are said once and counted always', () => {
    const made = rig();
    made.xen.fail('xenSetRange', 'ENOSPC');
    made.place();
    made.place();
    expect(made.logs.filter((line) => line.startsWith('cannot trap'))).toHaveLength(1);
    expect(made.server.counters.rangeFailures).toBe(8);
    made.xen.heal();
    made.place();
    expect(starts(made)).toEqual([BAR2, BAR0]);
  });

  it('move while the request that moves them is being served', () => {
    const made = rig();
    made.place();
    made.device.before = () => made.port.memoryDecode?.(false);
    const slot = made.ask({ address: BAR0, write: true });
    expect(slot?.done).toBe(true);
    expect(starts(made)).toEqual([]);
  });

  it('of a domain that vanished are nobody’s, which throws nothing', () => {
    const made = rig();
    made.place();
    made.xen.destroy(DOMID);
    made.port.memoryDecode?.(false);
    made.port.memoryDecode?.(true);
    made.port.injectMsi(0xfee00000, 0);
    expect(made.port.trackWrites(3, true)).toBe(false);
    expect(made.port.memory.locate(900)).toBe(-1);
    expect(made.server.counters.msiFailed).toBe(1);
    made.server.close();
    expect(made.xen.leftovers()).toEqual([]);
  });
});

describe('the slice of a physical aperture', () => {
  it('appears in the guest’s BAR2 at its own offset, follows it, and goes with decoding', () => {
    const made = rig({ options: slice });
    made.place();
    expect([...made.domain.host].at(0)).toEqual([BAR2 / 4096 + 16, 0x90010]);
    expect(made.domain.host.size).toBe(32);
    made.port.barMoved?.(2, 0xc0000000);
    expect([...made.domain.host.keys()].at(0)).toBe(0xc0000000 / 4096 + 16);
    expect(made.domain.host.size).toBe(32);
    made.port.memoryDecode?.(false);
    expect(made.domain.host.size).toBe(0);
    expect(made.server.counters).toMatchObject({ apertureMaps: 2, apertureFailures: 0 });
  });

  it('is trapped where Xen cannot map it, which is said once', () => {
    const made = rig({ options: slice });
    made.xen.fail('xenMapHost', 'EPERM');
    made.place();
    made.port.memoryDecode?.(false);
    made.port.memoryDecode?.(true);
    expect(made.server.counters.apertureFailures).toBe(2);
    expect(made.logs.filter((line) => line.includes('the aperture is trapped'))).toHaveLength(1);
    made.ask({ address: BAR2 + 0x10000, write: true, lo: 1 });
    expect(made.device.writes[0]?.space).toBe(SPACE.BAR2);
  });

  it('is taken out of the guest when the vGPU is removed', () => {
    const made = rig({ options: slice });
    made.place();
    made.server.close();
    expect(made.xen.leftovers()).toEqual([]);
  });
});
