import { afterEach, describe, expect, it } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import type { Native } from '../../../src/hypervisor/native.js';
import { Waiter } from '../../../src/hypervisor/waiter.js';
import { destroyLeftoverServer, XenServer } from '../../../src/hypervisor/xen/index.js';
import { FakeXen } from './fake-xen.js';
import { BAR0, CONFIG, Device, DOMID, rig } from './rig.js';

/** Attaches a device to domain DOMID of `xen`. @returns what it came to */
function attach(xen: FakeXen, makeGuest: () => Device = () => new Device(), domid = DOMID) {
  const waiter = new Waiter(xen);
  let detached = 0;
  try {
    const server = new XenServer({
      native: xen,
      waiter,
      domid,
      apertureBytes: 2 ** 26,
      frameBase: 0,
      windows: 1,
      makeGuest,
      onDetach: () => detached++,
      onFault: () => {},
      log: () => {},
    });
    return { server, error: null, detached };
  } catch (error) {
    if (!(error instanceof XengtError)) throw error;
    return { server: null, error, detached };
  }
}

describe('attaching to a domain', () => {
  it('goes step by step: the device is made when everything else is there', () => {
    const xen = new FakeXen();
    xen.domain(DOMID, 2);
    attach(xen, () => {
      xen.calls.push('makeGuest');
      return new Device();
    });
    expect(xen.calls.map((call) => call.replace(/\(.*/, ''))).toEqual([
      'xenLoad',
      'xenOpen',
      'arena',
      'xenCreateServer',
      'xenMapRequests',
      'xenClaimPci',
      'xenEnable',
      'xenVcpus',
      'xenBind',
      'xenBind',
      'xenFd',
      'epollSet',
      'xenServe',
      'makeGuest',
      'xenPlain',
    ]);
    expect(xen.calls).toContain('xenClaimPci(0,2,0)');
  });

  const steps: [keyof Native, string][] = [
    ['xenOpen', 'opening it'],
    ['arena', 'addresses for its memory'],
    ['xenCreateServer', 'creating an ioreq server'],
    ['xenMapRequests', 'mapping its requests'],
    ['xenClaimPci', 'claiming PCI function 00:02.0'],
    ['xenEnable', 'enabling its ioreq server'],
    ['xenVcpus', 'counting its vCPUs'],
    ['xenBind', 'binding the event channel of vCPU 0'],
    ['xenFd', 'asking for its events'],
    ['xenServe', 'waiting for its events'],
  ];

  it.each(steps)('says what failed when %s is refused, and leaves nothing behind', (name, step) => {
    const xen = new FakeXen();
    xen.domain(DOMID, 2);
    xen.fail(name, 'ENOMEM');
    const { error, detached } = attach(xen);
    expect(error?.code).toBe('XENGT_E_XEN');
    expect(error?.message).toBe(`domain 7: ${step}: Xen or dom0 is out of memory (ENOMEM)`);
    expect(xen.leftovers()).toEqual([]);
    expect(detached).toBe(0);
    // The next attempt finds everything as the first did.
    xen.heal();
    expect(attach(xen).error).toBe(null);
  });

  it('is undone when the thread cannot wait for one more guest', () => {
    const xen = new FakeXen();
    xen.domain(DOMID);
    xen.fail('epollSet', 'ENOSPC');
    expect(attach(xen).error?.message).toContain('ENOSPC');
    expect(xen.leftovers()).toEqual([]);
  });

  it('is undone when the device cannot be made, whose reason is passed on', () => {
    const xen = new FakeXen();
    xen.domain(DOMID, 4);
    const { error } = attach(xen, () => {
      throw new XengtError('XENGT_E_NO_SPACE', 'no shadow pages left');
    });
    expect(error?.message).toBe('no shadow pages left');
    expect(xen.leftovers()).toEqual([]);
  });

  it('is undone when the second of two event channels does not fit dom0’s table', () => {
    const xen = new FakeXen();
    xen.domain(DOMID, 2);
    xen.channels = 1;
    const { error } = attach(xen);
    expect(error?.message).toContain('binding the event channel of vCPU 1: the table is full');
    expect(xen.leftovers()).toEqual([]);
  });

  it('says of a domain that is not there that it is not there', () => {
    const xen = new FakeXen();
    const { error } = attach(xen);
    expect(error?.code).toBe('XENGT_E_NOT_FOUND');
    expect(error?.message).toBe('domain 7: creating an ioreq server: there is no such domain (any more) (ESRCH)');
    expect(xen.leftovers()).toEqual([]);
  });

  it('says who may do this when it is not permitted', () => {
    for (const name of ['EACCES', 'EPERM'] as const) {
      const xen = new FakeXen();
      xen.domain(DOMID);
      xen.fail('xenOpen', name);
      expect(attach(xen).error?.message).toContain('must run as root in dom0');
    }
  });

  it('serves 128 vCPUs and refuses more', () => {
    const xen = new FakeXen();
    xen.domain(DOMID, 128);
    expect(attach(xen).error).toBe(null);
    xen.domain(8, 129);
    const { error } = attach(xen, undefined, 8);
    expect(error?.message).toBe(
      'domain 8: counting its vCPUs: it has more than 128 vCPUs, and the page of requests has room for 128 (EOVERFLOW)',
    );
    expect(xen.domains.get(8)!.leftovers()).toEqual([]);
  });

  it('says that all eight ioreq servers of a domain are taken', () => {
    const xen = new FakeXen();
    const domain = xen.domain(DOMID);
    for (let i = 0; i < 8; i++) domain.createServer();
    expect(attach(xen).error?.message).toContain('the table is full (of ioreq servers a domain can have 8');
  });

  describe('with the libraries of Xen', () => {
    afterEach(() => {
      delete process.env.XENGT_XEN_LIBS;
    });

    it('takes them from the system, or from the folder in XENGT_XEN_LIBS', () => {
      const xen = new FakeXen();
      xen.domain(DOMID);
      attach(xen);
      expect(xen.folder).toBe('');
      process.env.XENGT_XEN_LIBS = '/opt/xen/lib';
      attach(xen);
      expect(xen.folder).toBe('/opt/xen/lib');
    });

    it('passes on which one is missing', () => {
      const xen = new FakeXen();
      xen.domain(DOMID);
      xen.missing = 'libxencall.so.1 does not load; install libxencall1';
      const { error } = attach(xen);
      expect(error?.code).toBe('XENGT_E_XEN');
      expect(error?.message).toBe('domain 7: libxencall.so.1 does not load; install libxencall1');
      expect(xen.calls).toEqual(['xenLoad()']);
    });
  });
});

describe('letting a domain go', () => {
  it('leaves nothing behind, and is done once', () => {
    const { xen, server, domain, port, place, ...r } = rig({ vcpus: 4 });
    place();
    port.memory.locate(3);
    port.trackWrites(5, true);
    port.setIntx(true);
    expect(xen.leftovers().length).toBeGreaterThan(4);
    server.close();
    server.close();
    expect(xen.leftovers()).toEqual([]);
    expect(domain.intx).toBe(false);
    expect(r.logs.filter((line) => line.endsWith('let go'))).toHaveLength(1);
    expect(server.attached).toBe(false);
  });

  it('tells the mediator once, while the memory is still there, and not after', () => {
    const seen: number[] = [];
    const made = rig({
      options: {
        onDetach: () => {
          seen.push(made.port.memory.locate(3));
        },
      },
    });
    made.server.close();
    made.server.close();
    expect(seen).toHaveLength(1);
    expect(seen[0]).toBeGreaterThanOrEqual(0);
    expect(made.port.memory.locate(3)).toBe(-1);
    expect(made.port.memory.mfnOf(3)).toBe(-1);
  });

  it('answers vCPUs that wait, each once, with ones', () => {
    const { xen, domain, server } = rig({ vcpus: 3 });
    domain.request(0, { address: CONFIG, type: 2 });
    domain.request(2, { address: CONFIG, type: 2, write: true, lo: 5 });
    const { slots } = domain.server;
    server.close();
    expect([slots[0]!.done, slots[0]!.lo]).toEqual([true, 0xffffffff]);
    expect(slots[2]!.done).toBe(true);
    expect(slots[1]!.answers).toBe(0);
    expect(xen.leftovers()).toEqual([]);
  });

  it('in the middle of a request answers it exactly once, and the next vCPU’s too', () => {
    const { domain, device, server, waiter } = rig({ vcpus: 2 });
    device.before = () => server.close();
    domain.request(0, { address: CONFIG, type: 2 });
    domain.request(1, { address: CONFIG, type: 2 });
    const { slots } = domain.server;
    waiter.run(0, 64);
    expect([slots[0]!.done, slots[1]!.done]).toEqual([true, true]);
    expect(slots[1]!.lo).toBe(0xffffffff);
    expect(server.counters.unanswered).toBe(0);
  });

  it('whatever the guest’s device asks for afterwards does nothing', () => {
    const { xen, port, server, place } = rig();
    place();
    port.trackWrites(5, true);
    server.close();
    xen.calls = [];
    port.injectMsi(0xfee00000, 1);
    port.setIntx(true);
    port.barMoved?.(0, BAR0);
    port.memoryDecode?.(true);
    expect(port.trackWrites(6, true)).toBe(false);
    expect(port.trackWrites(5, false)).toBe(true);
    expect(port.takeWritten?.(5)).toBe(true);
    server.tick(0);
    expect(xen.calls).toEqual([]);
  });

  it('of a domain that is gone complains about nothing', () => {
    const { xen, server, place, port, logs, ...r } = rig();
    place();
    port.memory.locate(3);
    port.trackWrites(5, true);
    xen.destroy(DOMID);
    server.close();
    expect(xen.leftovers()).toEqual([]);
    expect(logs.at(-1)).toBe('domain 7 let go');
    expect(logs).toHaveLength(2);
    expect(r.faults).toEqual([]);
  });

  it('says when Xen did not take something back', () => {
    const { xen, server, logs } = rig();
    xen.fail('xenClose', 'EBUSY');
    server.close();
    expect(logs.some((line) => line.includes('letting go of it') && line.includes('EBUSY'))).toBe(true);
    expect(xen.leftovers()).toEqual([]);
  });
});

describe('an ioreq server that a crash left behind', () => {
  it('is destroyed by its number', () => {
    const xen = new FakeXen();
    const domain = xen.domain(DOMID);
    const { id } = domain.createServer()!;
    expect(destroyLeftoverServer(xen, DOMID, id)).toBe(true);
    expect(domain.servers.size).toBe(0);
  });

  it('may be gone already, or its domain may', () => {
    const xen = new FakeXen();
    xen.domain(DOMID);
    expect(destroyLeftoverServer(xen, DOMID, 3)).toBe(false);
    expect(destroyLeftoverServer(xen, 99, 3)).toBe(false);
  });

  it('that cannot be destroyed is an error that names it', () => {
    const xen = new FakeXen();
    xen.fail('xenDestroyServer', 'EPERM');
    expect(() => destroyLeftoverServer(xen, DOMID, 3)).toThrow(
      /domain 7: destroying ioreq server 3 that an earlier run left behind: Xen does not permit it/,
    );
  });

  it('has the number that the server has', () => {
    const { server, domain } = rig();
    expect(domain.servers.has(server.serverId)).toBe(true);
  });
});
