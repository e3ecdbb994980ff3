import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SPACE } from '../../../src/hypervisor/port.js';
import { APERTURE, BAR0, BAR2, CONFIG, RAM_PAGES, rig } from './rig.js';

const PAGE = 4096;
const RAM_BYTES = RAM_PAGES * PAGE;
const ONES = 0xffffffff;

const placed = (options?: Parameters<typeof rig>[0]) => {
  const made = rig(options);
  made.place();
  return made;
};

describe('a register access', () => {
  it.each([1, 2, 4, 8])('of %i bytes reaches the device whole, and its answer the guest', (size) => {
    const { ask, device } = placed();
    const write = ask({ address: BAR0 + 0x2000, size, write: true, lo: 0x44332211, hi: 0x88776655 });
    expect(write?.done).toBe(true);
    expect(device.writes).toEqual([{ space: SPACE.BAR0, offset: 0x2000, bytes: size, lo: 0x44332211, hi: 0x88776655 }]);
    const read = ask({ address: BAR0 + 0x2000, size })!;
    expect(device.reads).toEqual([{ space: SPACE.BAR0, offset: 0x2000, bytes: size }]);
    const mask = size >= 4 ? ONES : 2 ** (8 * size) - 1;
    expect([read.done, read.lo, read.hi]).toEqual([true, (0x44332211 & mask) >>> 0, size === 8 ? 0x88776655 : 0]);
  });

  it('at any address and of any size up to 8 is done in aligned pieces, byte for byte', () => {
    const { ask, device } = placed();
    const access = fc.record({
      address: fc.integer({ min: 0, max: 64 }),
      size: fc.integer({ min: 1, max: 8 }),
      lo: fc.integer({ min: 0, max: ONES }),
      hi: fc.integer({ min: 0, max: ONES }),
    });
    fc.assert(
      fc.property(access, ({ address, size, lo, hi }) => {
        device.writes.length = 0;
        ask({ address: BAR0 + address, size, write: true, lo, hi });
        for (const { offset, bytes } of device.writes) expect(offset % bytes).toBe(0);
        expect(device.writes.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(size);
        const read = ask({ address: BAR0 + address, size })!;
        const got = (BigInt(read.hi) << 32n) | BigInt(read.lo);
        const meant = ((BigInt(hi) << 32n) | BigInt(lo)) & ((1n << BigInt(8 * size)) - 1n);
        expect(got & ((1n << BigInt(8 * size)) - 1n)).toBe(meant);
      }),
    );
  });

  it('of no size or of more than 8 bytes is answered with ones, and counted', () => {
    const { ask, device, server } = placed();
    for (const size of [0, 9, 16, ONES]) {
      expect(ask({ address: BAR0, size })?.lo).toBe(ONES);
      expect(ask({ address: BAR0, size, write: true })?.done).toBe(true);
    }
    expect(device.reads.length + device.writes.length).toBe(0);
    expect(server.counters.refusals['xen.request-size']).toBe(8);
  });

  it('over the end of the BAR finds ones beyond it', () => {
    const { ask, device, server } = placed();
    device.bytes[SPACE.BAR0].fill(0x77, 0xfffffc);
    const read = ask({ address: BAR0 + 0xfffffc, size: 8 })!;
    expect([read.lo, read.hi]).toEqual([0x77777777, ONES]);
    device.writes.length = 0;
    ask({ address: BAR0 + 0xfffffe, size: 4, write: true, lo: 0x04030201 });
    expect(device.writes.map(({ offset, bytes, lo }) => [offset, bytes, lo])).toEqual([[0xfffffe, 2, 0x0201]]);
    expect(server.counters.refusals['xen.bar-edge']).toBe(2);
  });

  it('to the aperture reaches the aperture', () => {
    const { ask, device } = placed();
    ask({ address: BAR2 + APERTURE - 8, size: 8, write: true, lo: 1, hi: 2 });
    expect(device.writes[0]).toEqual({ space: SPACE.BAR2, offset: APERTURE - 8, bytes: 8, lo: 1, hi: 2 });
  });

  it('whose device throws is answered with ones, and the mediator is told once', () => {
    const { ask, device, faults, server } = placed();
    const error = new Error('a handler broke');
    device.fault = error;
    expect(ask({ address: BAR0 + 0x2000 })).toMatchObject({ done: true, lo: ONES, hi: ONES });
    expect(faults).toEqual([error]);
    device.bytes[SPACE.BAR0][0x2000] = 7;
    expect(ask({ address: BAR0 + 0x2000 })?.lo).toBe(7);
    expect([server.counters.faults, server.counters.unanswered]).toEqual([1, 0]);
  });

  it('is answered before the mediator hears of the fault, and once when that takes the vGPU away', () => {
    const states: boolean[] = [];
    const made = placed({
      options: {
        onFault: () => {
          states.push(made.domain.server.slots[0]!.done);
          made.server.close();
        },
      },
    });
    const slot = made.domain.server.slots[0]!;
    made.device.fault = 'thrown';
    made.ask({ address: BAR0 });
    expect(states).toEqual([true]);
    expect(slot.done).toBe(true);
    expect(made.xen.leftovers()).toEqual([]);
  });

  it('goes on being answered when the vGPU is in failsafe', () => {
    const { ask, port, server, logs, device } = placed();
    port.fail('it wrote another vGPU’s entry');
    port.fail('again');
    device.bytes[SPACE.BAR0][4] = 9;
    expect(ask({ address: BAR0 + 4, size: 1 })?.lo).toBe(9);
    expect(server.failed).toBe('it wrote another vGPU’s entry');
    expect(server.counters.failures).toBe(2);
    expect(logs.filter((line) => line.startsWith('guest failed'))).toHaveLength(1);
  });
});

describe('configuration space', () => {
  it('is read and written in pieces of 1, 2 and 4 bytes', () => {
    const { ask, device } = rig();
    ask({ address: CONFIG + 0x10, size: 4, type: 2, write: true, lo: 0xf0000004 });
    expect(device.writes).toEqual([{ space: SPACE.CONFIG, offset: 0x10, bytes: 4, lo: 0xf0000004, hi: 0 }]);
    expect(ask({ address: CONFIG + 0x12, size: 2, type: 2 })?.lo).toBe(0xf000);
    expect(ask({ address: CONFIG + 0x13, size: 1, type: 2 })?.lo).toBe(0xf0);
  });

  it('has nothing beyond its 256 bytes, nor across a boundary without being split', () => {
    const { ask, device, server } = rig();
    device.bytes[SPACE.CONFIG].set([1, 2, 3, 4], 0xfc);
    expect(ask({ address: CONFIG + 0xfe, size: 4, type: 2 })?.lo).toBe(0xffff0403);
    expect(ask({ address: CONFIG + 0x100, size: 4, type: 2 })?.lo).toBe(ONES);
    expect(server.counters.refusals['xen.bar-edge']).toBe(2);
    device.reads.length = 0;
    ask({ address: CONFIG + 0x41, size: 4, type: 2 });
    expect(device.reads.map(({ offset, bytes }) => [offset, bytes])).toEqual([
      [0x41, 1],
      [0x42, 2],
      [0x44, 1],
    ]);
  });

  it('of another function is not this device’s, and 8 bytes at once are no such access', () => {
    const { ask, server, domain, device } = rig();
    domain.server.pci = 0x11;
    expect(ask({ address: 0x11 * 2 ** 32, type: 2 })?.lo).toBe(ONES);
    expect(server.counters.refusals['xen.config-device']).toBe(1);
    domain.server.pci = 0x10;
    expect(ask({ address: CONFIG, size: 8, type: 2 })?.hi).toBe(ONES);
    expect(server.counters.refusals['xen.request-size']).toBe(1);
    expect(device.reads).toEqual([]);
  });
});

describe('requests that are no accesses', () => {
  it('to a port nobody asked for, and of a type nobody knows, are answered as by an empty bus', () => {
    const { ask, server } = rig();
    expect(ask({ address: 0xcf8, type: 0 })).toMatchObject({ done: true, lo: ONES });
    expect(ask({ address: 0xcf8, type: 0, write: true, lo: 3 })?.done).toBe(true);
    expect(ask({ address: 0, type: 5 })).toMatchObject({ done: true, lo: ONES });
    expect(ask({ address: 0, type: 7, write: true, lo: 60 })?.done).toBe(true);
    expect(server.counters.refusalsByRule()).toEqual({ 'xen.port': 2, 'xen.request-type': 1 });
    expect(server.counters.requestsByType()).toEqual({ pio: 2, 'type-5': 1, 'time-offset': 1 });
  });
});

describe('REP MOVS', () => {
  const SOURCE = 0x3000;
  const words = (made: ReturnType<typeof placed>, at: number, count: number) =>
    Array.from({ length: count }, (_, i) => made.domain.peek32(at + 4 * i));

  it('from memory to registers goes upwards or downwards, item by item', () => {
    for (const down of [false, true]) {
      const made = placed();
      for (let i = -3; i < 4; i++) made.domain.poke32(SOURCE + 4 * i, 100 + i);
      made.ask({ address: BAR0 + 0x100, count: 4, pointer: SOURCE, write: true, down });
      const way = down ? -1 : 1;
      expect(made.device.writes.map(({ offset, lo }) => [offset, lo])).toEqual(
        [0, 1, 2, 3].map((i) => [0x100 + way * 4 * i, 100 + way * i]),
      );
      expect(made.server.counters).toMatchObject({ repeated: 1, items: 4 });
    }
  });

  it('from registers to memory fills it, and leaves the pointer as it was', () => {
    const made = placed();
    for (let i = 0; i < 16; i++) made.device.bytes[SPACE.BAR0][0x200 + i] = i;
    const slot = made.ask({ address: BAR0 + 0x200, count: 4, pointer: SOURCE });
    expect(words(made, SOURCE, 4)).toEqual([0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c]);
    expect(slot?.lo).toBe(SOURCE);
  });

  it('of odd sizes, over page boundaries and at any alignment moves the right bytes', () => {
    const made = placed();
    const input = fc.record({
      size: fc.constantFrom(1, 2, 4, 8),
      count: fc.integer({ min: 1, max: 12 }),
      from: fc.integer({ min: 0x1f80, max: 0x2080 }),
      offset: fc.integer({ min: 0x400, max: 0x480 }),
      down: fc.boolean(),
    });
    fc.assert(
      fc.property(
        input,
        fc.uint8Array({ minLength: 1024, maxLength: 1024 }),
        ({ size, count, from, offset, down }, noise) => {
          noise.forEach((byte, i) => {
            made.domain.pages.get((0x1e00 + i) >>> 12)!.bytes[(0x1e00 + i) % PAGE] = byte;
          });
          made.ask({ address: BAR0 + offset, size, count, pointer: from, write: true, down });
          // And back, to elsewhere.
          made.ask({ address: BAR0 + offset, size, count, pointer: from + 0x4000, down });
          const step = down ? -size : size;
          for (let i = 0; i < count; i++) {
            for (let b = 0; b < size; b++) {
              const at = from + i * step + b;
              expect(made.device.bytes[SPACE.BAR0][offset + i * step + b]).toBe(made.domain.peek(at));
              expect(made.domain.peek(at + 0x4000)).toBe(made.domain.peek(at));
            }
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  it('over the upper edge of a BAR writes what is inside and nothing else', () => {
    const made = placed();
    for (let i = 0; i < 4; i++) made.domain.poke32(SOURCE + 4 * i, i + 1);
    made.ask({ address: BAR0 + 0xfffff8, count: 4, pointer: SOURCE, write: true });
    expect(made.device.writes.map(({ offset, lo }) => [offset, lo])).toEqual([
      [0xfffff8, 1],
      [0xfffffc, 2],
    ]);
    expect(made.server.counters.refusals['xen.outside-bars']).toBe(2);
  });

  it('over the lower edge, downwards, reads what is inside and ones below', () => {
    const made = placed();
    made.device.bytes[SPACE.BAR0].set([1, 1, 1, 1, 2, 2, 2, 2]);
    made.ask({ address: BAR0 + 4, count: 3, pointer: SOURCE + 8, down: true });
    // The aperture lies lower, with space between.
    expect(words(made, SOURCE, 3)).toEqual([ONES, 0x01010101, 0x02020202]);
  });

  it('with memory missing writes nothing for it, and the rest is done', () => {
    const made = placed();
    made.domain.poke32(RAM_BYTES - 4, 0x55);
    made.ask({ address: BAR0 + 0x300, count: 2, pointer: RAM_BYTES - 4, write: true });
    expect(made.device.writes.map(({ offset, lo }) => [offset, lo])).toEqual([[0x300, 0x55]]);
    made.ask({ address: BAR0 + 0x300, count: 2, pointer: RAM_BYTES - 4 });
    expect(made.domain.peek32(RAM_BYTES - 4)).toBe(0x55);
    expect(made.server.counters.refusals['xen.pointer-memory']).toBe(2);
  });

  it('from a pointer beyond every address is refused item by item', () => {
    const made = placed();
    const slot = made.ask({ address: BAR0, count: 3, pointer: 2 ** 63, write: true });
    expect(slot?.done).toBe(true);
    expect(made.device.writes).toEqual([]);
    expect(made.server.counters.refusals['xen.pointer-memory']).toBe(3);
  });

  it('of one value (REP STOS) writes that value to each', () => {
    const made = placed();
    made.ask({ address: BAR0 + 0x100, count: 3, write: true, lo: 0xabcd });
    expect(made.device.writes.map(({ offset, lo }) => [offset, lo])).toEqual([
      [0x100, 0xabcd],
      [0x104, 0xabcd],
      [0x108, 0xabcd],
    ]);
  });
});

describe('two vCPUs', () => {
  it('that write at once are each served once, in the order of the vCPUs', () => {
    const { domain, device, waiter, server } = placed({ vcpus: 2 });
    domain.request(1, { address: BAR0 + 0x2230, write: true, lo: 2 });
    domain.request(0, { address: BAR0 + 0x2230, write: true, lo: 1 });
    waiter.run(0, 64);
    expect(device.writes.map(({ lo }) => lo)).toEqual([1, 2]);
    expect(domain.server.slots.map(({ done }) => done)).toEqual([true, true]);
    expect(server.counters.unanswered).toBe(0);
  });

  it('are served by budget: one that never pauses does not keep the thread', () => {
    const { domain, device, waiter } = placed({ vcpus: 2 });
    let again = 20;
    const slots = domain.server.slots;
    device.before = () => {
      if (again-- > 0 && slots[1]!.state === 3) domain.request(1, { address: BAR0, write: true });
    };
    domain.request(0, { address: BAR0, write: true });
    domain.request(1, { address: BAR0, write: true });
    waiter.run(0, 1);
    expect(device.writes).toHaveLength(1);
    expect(waiter.hasMore).toBe(true);
    while (waiter.hasMore) waiter.run(0, 1);
    expect(slots.every(({ done }) => done)).toBe(true);
  });
});

describe('events', () => {
  it('without a request, and of channels that are not ours, are counted and do nothing', () => {
    const { xen, waiter, server, device } = rig();
    const before = server.counts().requests;
    xen.strayEvent();
    xen.strayEvent(0, 12345);
    waiter.run(0, 64);
    server.tick(0);
    expect(server.counters.stray).toBe(3); // one came with the channel
    expect(server.counts().requests).toBe(before);
    expect(device.reads).toEqual([]);
  });

  it('that cannot be read any more let the guest go, with a reason', () => {
    const made = rig();
    made.domain.request(0, { address: CONFIG, type: 2 });
    const [slot] = made.domain.server.slots;
    made.xen.fail('xenPump', 'EIO');
    made.waiter.run(0, 64);
    expect(made.detached).toBe(1);
    expect(slot!.done).toBe(true);
    expect(made.logs.at(-2)).toBe('domain 7: its events cannot be read: EIO');
    expect(made.xen.leftovers()).toEqual([]);
  });
});

describe('plain registers', () => {
  it('are answered without the device, and count as its traps', () => {
    const { ask, device, server } = placed();
    device.plainRegisters.bank[0x40] = 0x1234;
    device.plainRegisters.plain[0x40] = 1;
    expect(ask({ address: BAR0 + 0x100 })?.lo).toBe(0x1234);
    expect(ask({ address: BAR0 + 0x104 })?.lo).toBe(0);
    expect(device.reads.map(({ offset }) => offset)).toEqual([0x104]);
    server.tick(0);
    server.tick(1);
    expect(device.answered).toBe(1);
    expect(server.counts()).toMatchObject({ requests: 2, plainReads: 1 });
    ask({ address: BAR0 + 0x100 });
    server.close();
    expect(device.answered).toBe(2);
    expect(server.counts()).toMatchObject({ requests: 3, plainReads: 2 });
  });

  it('follow BAR0, and are not answered while it is not decoded', () => {
    const { xen, port, place } = rig();
    place();
    port.memoryDecode?.(false);
    port.barMoved?.(0, 0xd0000000);
    port.memoryDecode?.(true);
    expect(xen.calls.filter((call) => call.startsWith('xenPlain'))).toEqual([
      'xenPlain(0,f0000000)',
      'xenPlain(0,-1)',
      'xenPlain(0,d0000000)',
    ]);
  });
});

describe('interrupts', () => {
  it('carry the guest’s own address and data', () => {
    const { port, domain, server } = rig();
    port.injectMsi(0xfee01004, 0x4041);
    port.setIntx(true);
    expect(domain.msis).toEqual([[0xfee01004, 0x4041]]);
    expect(domain.intx).toBe(true);
    port.setIntx(false);
    expect(domain.intx).toBe(false);
    expect(server.counters).toMatchObject({ msiInjected: 1, intxChanges: 2 });
  });

  it('that Xen refuses are counted', () => {
    const { port, xen, server } = rig();
    xen.fail('xenMsi', 'ENOSYS');
    xen.fail('xenIntx', 'EINVAL');
    port.injectMsi(0xfee01004, 1);
    port.setIntx(true);
    expect(server.counters).toMatchObject({ msiInjected: 0, msiFailed: 1, intxFailed: 1, intxChanges: 0 });
  });
});
