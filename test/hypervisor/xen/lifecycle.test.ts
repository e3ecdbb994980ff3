import { describe, expect, it } from 'vitest';
import { SPACE } from '../../../src/hypervisor/port.js';
import { BAR0, CONFIG, DOMID, rig } from './rig.js';

/** Two domains on one host, served by one thread. */
function neighbours() {
  const one = rig({ vcpus: 2 });
  const two = rig({ xen: one.xen, domid: DOMID + 1, vcpus: 2, options: { waiter: one.waiter } });
  const ask = (made: typeof two, access: Parameters<typeof two.ask>[0], vcpu = 0) => {
    if (!made.domain.request(vcpu, access)) return null;
    const slot = made.domain.server.slots[vcpu]!;
    one.waiter.run(0, 64);
    return slot;
  };
  one.place();
  two.place();
  return { one, two, ask };
}

describe('a domain that dies', () => {
  it('in the middle of its request takes nobody with it', () => {
    const { one, two, ask } = neighbours();
    one.port.memory.locate(3);
    one.port.trackWrites(4, true);
    one.device.before = () => {
      one.device.before = null;
      one.xen.destroy(DOMID);
      one.port.memoryDecode?.(false);
      one.port.injectMsi(0xfee00000, 1);
      one.port.setIntx(true);
      one.port.takeWritten?.(4);
      one.port.trackWrites(4, false);
      one.port.memory.locate(700);
    };
    one.domain.request(0, { address: BAR0, write: true, lo: 1 });
    two.domain.request(0, { address: BAR0, write: true, lo: 2 });
    one.waiter.run(0, 64);
    expect(two.device.writes).toEqual([{ space: SPACE.BAR0, offset: 0, bytes: 4, lo: 2, hi: 0 }]);
    expect([one.faults, two.faults]).toEqual([[], []]);
    one.server.tick(1);
    one.server.close();
    expect(one.detached).toBe(1);
    two.device.bytes[SPACE.BAR0][8] = 6;
    expect(ask(two, { address: BAR0 + 8 })?.lo).toBe(6);
    two.server.close();
    expect(one.xen.leftovers()).toEqual([]);
  });

  it('and comes back under another number finds everything as it was', () => {
    const first = rig();
    first.place();
    first.xen.destroy(DOMID);
    first.server.close();
    const second = rig({ xen: first.xen, domid: DOMID + 5 });
    second.place();
    expect(second.ask({ address: CONFIG, type: 2 })?.done).toBe(true);
    second.server.close();
    expect(first.xen.leftovers()).toEqual([]);
  });
});

describe('a guest that is let go', () => {
  it('leaves its neighbour’s requests to the neighbour', () => {
    const { one, two, ask } = neighbours();
    // The first guest's number is given to a third, whose requests must not be answered for the first.
    one.device.before = () => one.server.close();
    one.domain.request(0, { address: BAR0 });
    one.waiter.run(0, 64);
    const three = rig({ xen: one.xen, domid: DOMID + 2, options: { waiter: one.waiter } });
    expect(three.server.guest.handle).toBe(one.server.guest.handle);
    one.port.injectMsi(0xfee00000, 1);
    one.port.trackWrites(4, true);
    one.server.tick(1);
    expect(three.domain.msis).toEqual([]);
    expect(three.domain.protectedFrames).toEqual([]);
    expect(ask(two, { address: BAR0 })?.done).toBe(true);
    expect(ask(three, { address: CONFIG, type: 2 })?.done).toBe(true);
  });

  it('is let go even when the mediator throws while it hears of it', () => {
    const made = rig({
      options: {
        onDetach: () => {
          throw new Error('it could not detach');
        },
      },
    });
    made.place();
    expect(() => made.server.close()).toThrow('it could not detach');
    expect(made.xen.leftovers()).toEqual([]);
    made.server.close();
  });
});

describe('two guests', () => {
  it('that trap all the time each have their turn', () => {
    const { one, two } = neighbours();
    let left = 50;
    one.device.before = () => {
      for (const vcpu of [0, 1]) {
        const { state } = one.domain.server.slots[vcpu]!;
        if (left > 0 && (state === 0 || state === 3)) {
          left--;
          one.domain.request(vcpu, { address: BAR0, write: true });
        }
      }
    };
    one.domain.request(0, { address: BAR0, write: true });
    two.domain.request(1, { address: BAR0, write: true });
    one.waiter.run(0, 2);
    expect(two.device.writes).toHaveLength(1);
    expect(one.device.writes.length).toBeLessThanOrEqual(2);
    while (one.waiter.hasMore) one.waiter.run(0, 2);
    expect(one.device.writes).toHaveLength(51);
    expect(one.server.counters.unanswered).toBe(0);
  });

  it('have memory, frames and page tables of their own', () => {
    const { one, two } = neighbours();
    one.domain.poke32(0x3000, 1);
    two.domain.poke32(0x3000, 2);
    expect(one.port.memory.words[one.port.memory.locate(3)]).toBe(1);
    expect(two.port.memory.words[two.port.memory.locate(3)]).toBe(2);
    one.port.trackWrites(3, true);
    expect(two.domain.protectedFrames).toEqual([]);
    one.server.close();
    expect(two.port.memory.words[two.port.memory.locate(3)]).toBe(2);
  });
});
