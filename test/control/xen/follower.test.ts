import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { XengtError } from '../../../src/base/index.js';
import { FollowRig, ROOT, refusal, until } from './rig.js';

let rig: FollowRig;
beforeEach(async () => {
  rig = await new FollowRig().start();
});
afterEach(() => rig.stop());

const nodes = () => rig.store.list(ROOT).filter((line) => !line.startsWith(`${ROOT}/daemon`));

describe('a domain whose device model asks for a vGPU', () => {
  test('gets it, under its own name', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4,weight=3');
    expect(await rig.state(5)).toBe('ready');
    expect(rig.mediator.specs).toEqual([
      { name: 'desk', type: 'V5_4', weight: 3, transport: { kind: 'xen', domid: 5 } },
    ]);
    expect(nodes()).toEqual([
      `${ROOT}/5/request = type=V5_4,weight=3`,
      `${ROOT}/5/server = 11`,
      `${ROOT}/5/state = ready`,
      `${ROOT}/5/uuid = uuid-5`,
      `${ROOT}/5/vgpu = 1`,
    ]);
    await until(() => rig.lines.includes('Xen: domain 5 "desk" has vGPU 1 "desk" (type=V5_4,weight=3)'));
  });

  test('gets it also when it asked before the daemon was there', async () => {
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.follow();
    expect(await rig.state(5)).toBe('ready');
  });

  test('gets one, however often the store tells of changes', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    for (let n = 0; n < 20; n++) rig.store.fire(`${ROOT}/5/request`);
    rig.store.fire('@releaseDomain');
    await rig.follower?.look();
    expect(rig.mediator.specs.length).toBe(1);
  });

  test('gets another one after it was reset, which starts its device model once more', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    rig.ask(5, 'type=V5_8');
    await until(() => rig.node(5, 'vgpu') === '2');
    expect(await rig.mediator.attached()).toEqual(['desk: 5']);
    expect(rig.mediator.specs[1]?.type).toBe('V5_8');
    expect(rig.node(5, 'server')).toBe('12');
  });

  test('nodes of the conversation are for dom0 alone', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    for (const name of ['', '/daemon', '/5', '/5/request', '/5/state', '/5/vgpu']) {
      expect(rig.store.perms(`${ROOT}${name}`), name).toEqual(['n0']);
    }
  });
});

describe('a request that cannot be met is refused with its reason', () => {
  beforeEach(async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
  });

  test.each([
    ['typ=V5_4', 'typ: not known; allowed: type, name,'],
    ['type=V5_4,weight=900', 'weight: 900 is not allowed; allowed: a whole number from 1 to 255'],
    ['type=V5_1', 'Low graphics memory: 512 MiB wanted, 384 MiB free'],
  ])('%s', async (request, reason) => {
    rig.ask(5, request);
    expect(await rig.state(5)).toBe('refused');
    expect(rig.node(5, 'reason')).toContain(reason);
    expect(await rig.mediator.attached()).toEqual([]);
    expect(rig.complaints.join('\n')).toContain(`domain 5 gets no vGPU (${request}): ${reason}`);
  });

  test('when the name is taken, unless it was only like the domain', async () => {
    await rig.mediator.createVgpu({ name: 'desk', transport: { kind: 'vfio-user', socket: '/a' } });
    rig.ask(5, 'type=V5_4,name=desk');
    expect(await rig.state(5)).toBe('refused');
    expect(rig.node(5, 'reason')).toContain('A vGPU "desk" exists');
    rig.ask(5, 'type=V5_4');
    await until(() => rig.node(5, 'state') === 'ready');
    expect(await rig.mediator.attached()).toEqual(['desk: vfio-user', 'desk-2: 5']);
  });

  test('when the domain vanished in between, and then nothing is left', async () => {
    rig.mediator.missingDomains.add(5);
    rig.ask(5, 'type=V5_4');
    expect(await rig.state(5)).toBe('refused');
    expect(rig.node(5, 'reason')).toContain('there is no such domain (any more) (ESRCH)');
    rig.store.release(5);
    await until(() => nodes().length === 0);
  });

  test('when a guest could have written it', async () => {
    rig.store.onRequest = (type, path) => {
      if (type === 'GET_PERMS' && path === `${ROOT}/5/request`) rig.store.perms(path)?.push('w5');
    };
    rig.ask(5, 'type=V5_4');
    expect(await rig.state(5)).toBe('refused');
    expect(rig.node(5, 'reason')).toBe('the request could be written by domain 5; only dom0 may');
    expect(rig.mediator.specs).toEqual([]);
  });

  test('when a vGPU was attached by hand before', async () => {
    await rig.mediator.createVgpu({ name: 'own', type: 'V5_4', transport: { kind: 'xen', domid: 5 } });
    rig.ask(5, 'type=V5_4');
    expect(await rig.state(5)).toBe('refused');
    expect(rig.node(5, 'reason')).toBe('it has vGPU 1 "own" already, attached by hand');
  });

  test('and other guests do not notice', async () => {
    rig.store.introduce(6, 'good');
    rig.ask(5, 'nonsense');
    rig.ask(6, 'type=V5_4');
    expect([await rig.state(5), await rig.state(6)]).toEqual(['refused', 'ready']);
  });
});

describe('a domain that goes', () => {
  beforeEach(async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.store.introduce(6, 'other');
    rig.ask(5, 'type=V5_4');
    rig.ask(6, 'type=V5_8');
    await rig.state(5);
    await rig.state(6);
  });

  test.each([[false], [true]])('takes vGPU and nodes along (the toolstack is late: %s)', async (keepNodes) => {
    rig.store.release(5, { keepNodes });
    await until(async () => (await rig.mediator.attached()).join() === 'other: 6');
    await until(() => nodes().every((line) => line.startsWith(`${ROOT}/6/`)));
    expect(rig.node(6, 'state')).toBe('ready');
    await until(() => rig.lines.includes('Xen: domain 5 is gone, and vGPU 1 "desk" with it'));
  });

  test('and comes back under its name, as at a reboot, gets a new vGPU', async () => {
    rig.store.release(5);
    rig.store.introduce(7, 'desk');
    rig.ask(7, 'type=V5_4');
    expect(await rig.state(7)).toBe('ready');
    expect(await rig.mediator.attached()).toEqual(['other: 6', 'desk: 7']);
  });

  test('and whose number another one has at once: the new one is served', async () => {
    rig.store.introduce(5, 'young', 'uuid-young');
    rig.ask(5, 'type=V5_8');
    await until(() => rig.node(5, 'uuid') === 'uuid-young');
    expect(await rig.mediator.attached()).toEqual(['other: 6', 'young: 5']);
    expect(rig.node(5, 'state')).toBe('ready');
  });

  test('and whose number another one has in the middle of a look: the new one is served', async () => {
    let looks = 0;
    rig.store.onRequest = (type, subject) => {
      if (type !== 'READ' || subject !== `${ROOT}/5/request` || looks++ > 0) return;
      rig.store.introduce(5, 'young', 'uuid-young');
      rig.ask(5, 'type=V5_8');
    };
    await rig.follower?.look();
    await until(() => rig.node(5, 'uuid') === 'uuid-young');
    expect(looks).toBeGreaterThan(1);
    expect(await rig.mediator.attached()).toEqual(['other: 6', 'young: 5']);
    expect(rig.node(5, 'state')).toBe('ready');
  });

  test('while its vGPU cannot be removed: it is tried again', async () => {
    const original = rig.mediator.removeVgpu.bind(rig.mediator);
    let failures = 3;
    rig.mediator.removeVgpu = async (id) => {
      if (failures-- > 0) throw new XengtError('XENGT_E_BUSY', 'not now');
      await original(id);
    };
    rig.store.release(5);
    await until(async () => (await rig.mediator.attached()).join() === 'other: 6');
    expect(rig.complaints.filter((line) => line === 'Xen: domain 5: not now').length).toBe(1);
    await until(() => nodes().every((line) => line.startsWith(`${ROOT}/6/`)));
  });

  test('and that the operator was faster with is no complaint', async () => {
    await rig.mediator.removeVgpu(1);
    rig.store.release(5);
    await until(() => nodes().every((line) => line.startsWith(`${ROOT}/6/`)));
    expect(rig.complaints).toEqual([]);
  });
});

describe('vGPUs by hand', () => {
  beforeEach(async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
  });

  test('are recorded, and go with their domain', async () => {
    await rig.mediator.createVgpu({ name: 'own', type: 'V5_4', transport: { kind: 'xen', domid: 5 } });
    await rig.follower?.look();
    expect(nodes()).toEqual([`${ROOT}/5/server = 11`, `${ROOT}/5/uuid = uuid-5`, `${ROOT}/5/vgpu = 1`]);
    rig.store.release(5);
    await until(async () => (await rig.mediator.attached()).length === 0);
    await until(() => nodes().length === 0);
  });

  test('that are removed leave no node', async () => {
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    await rig.mediator.removeVgpu(1);
    await rig.follower?.look();
    expect(nodes()).toEqual([]);
  });

  test('of other transports are left alone', async () => {
    await rig.mediator.createVgpu({ name: 'v', transport: { kind: 'vfio-user', socket: '/a' } });
    rig.store.release(5);
    await rig.follower?.look();
    expect(await rig.mediator.attached()).toEqual(['v: vfio-user']);
  });
});

describe('a device model that gives up while its vGPU is made', () => {
  test('leaves no vGPU behind', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.mediator.onCreate = () => rig.store.remove(`${ROOT}/5`);
    rig.ask(5, 'type=V5_4');
    await until(() => rig.mediator.calls.includes('removeVgpu'));
    expect(await rig.mediator.attached()).toEqual([]);
    await rig.follower?.look();
    expect(nodes()).toEqual([]);
  });

  test('and asks for something else gets that', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.mediator.onCreate = () => {
      rig.mediator.onCreate = null;
      rig.ask(5, 'type=V5_8');
    };
    rig.ask(5, 'type=V5_4');
    expect(await rig.state(5)).toBe('ready');
    expect(rig.mediator.specs.map(({ type }) => type)).toEqual(['V5_4', 'V5_8']);
    expect(await rig.mediator.attached()).toEqual(['desk: 5']);
  });
});

describe('a store that refuses', () => {
  test('the answer: the vGPU is taken back, and the reason is logged', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.store.refuse('WRITE', /\/5\/vgpu$/, 'ENOSPC');
    rig.ask(5, 'type=V5_4');
    expect(await rig.state(5)).toBe('refused');
    expect(rig.node(5, 'reason')).toContain('WRITE /local/domain/0/xengt/5/vgpu: a quota of xenstored is exhausted');
    expect(await rig.mediator.attached()).toEqual([]);
    expect(rig.store.openTransactions).toBe(0);
  });

  test('to be read for one domain: the others are served, and it is tried again', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.store.introduce(6, 'other');
    rig.store.refuse('READ', /xengt\/5\/request$/, 'EACCES', 2);
    rig.ask(5, 'type=V5_4');
    rig.ask(6, 'type=V5_4');
    expect([await rig.state(5), await rig.state(6)]).toEqual(['ready', 'ready']);
    expect(rig.complaints).toContain(
      'Xen: domain 5: xenstore: READ /local/domain/0/xengt/5/request: permission denied (EACCES)',
    );
  });

  test('to be listed: it is tried again', async () => {
    await rig.follow();
    rig.store.refuse('DIRECTORY', /^\/local\/domain$/, 'EIO', 2);
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    expect(await rig.state(5)).toBe('ready');
  });

  test('at the start is why it does not start', async () => {
    rig.store.refuse('MKDIR', /xengt/, 'EACCES');
    expect(await refusal(rig.follow())).toContain('MKDIR /local/domain/0/xengt: permission denied (EACCES)');
  });
});

describe('a xenstored that restarts', () => {
  beforeEach(async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
  });

  test('and kept its state: guests go on, new ones are served, those that went meanwhile are let go', async () => {
    rig.store.introduce(6, 'other');
    rig.ask(6, 'type=V5_8');
    await rig.state(6);
    await rig.store.restart();
    await until(() => rig.client?.generation === 2);
    await rig.follower?.look();
    expect(await rig.mediator.attached()).toEqual(['desk: 5', 'other: 6']);
    rig.store.introduce(7, 'new');
    rig.ask(7, 'type=V5_8');
    expect(await rig.state(7)).toBe('ready');
    rig.store.release(6);
    await until(async () => (await rig.mediator.attached()).join() === 'desk: 5,new: 7');
  });

  test('and forgot everything: running guests keep their vGPUs, and the nodes are written anew', async () => {
    await rig.store.restart({ forget: true });
    rig.store.set('/local/domain/0/name', 'Domain-0');
    await until(() => rig.client?.generation === 2);
    await rig.follower?.look();
    expect(await rig.mediator.attached()).toEqual(['desk: 5']);
    expect(rig.complaints.join('\n')).toContain('domain 5 is not known to xenstored since it was restarted');
    expect(rig.store.get(`${ROOT}/daemon`)).toBeDefined();
    // Once the toolstack makes it known again, it can also go.
    rig.store.introduce(5, 'desk');
    await until(() => rig.node(5, 'vgpu') === '1');
    rig.store.release(5);
    await until(async () => (await rig.mediator.attached()).length === 0);
  });

  test('in the middle of an answer: the guest is answered after it', async () => {
    rig.store.introduce(6, 'other');
    rig.mediator.onCreate = () => {
      rig.mediator.onCreate = null;
      void rig.store.restart();
    };
    rig.ask(6, 'type=V5_8');
    await until(() => rig.client?.generation === 2);
    expect(await rig.state(6)).toBe('ready');
    expect((await rig.mediator.attached()).sort()).toEqual(['desk: 5', 'other: 6']);
  });
});

describe('a daemon that ends', () => {
  test('by SIGTERM takes vGPUs and nodes away; what is asked then waits for the next one', async () => {
    const before = rig.store.list('/');
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.store.introduce(6, 'bad');
    rig.ask(5, 'type=V5_4');
    rig.ask(6, 'nonsense');
    await rig.state(5);
    await rig.state(6);
    await rig.follower?.stop();
    expect(await rig.mediator.attached()).toEqual([]);
    rig.store.release(5);
    rig.store.release(6);
    expect(rig.store.list('/')).toEqual(before);
    expect(rig.store.watches).toEqual([]);
    rig.store.introduce(7, 'next');
    rig.ask(7, 'type=V5_4');
    await rig.follow();
    expect(await rig.state(7)).toBe('ready');
  });

  test('while xenstored is away ends all the same', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    await rig.store.stop();
    await rig.follower?.stop();
    expect(await rig.mediator.attached()).toEqual([]);
    expect(rig.complaints.join('\n')).toContain('not connected to xenstored');
    rig.follower = null;
  });

  test('by a crash: the next one destroys its ioreq servers, and forgets its vGPUs', async () => {
    await rig.follow();
    for (const [domid, name] of [
      [5, 'desk'],
      [6, 'other'],
      [8, 'refused'],
    ] as const) {
      rig.store.introduce(domid, name);
      rig.ask(domid, domid === 8 ? 'nonsense' : 'type=V5_8');
      await rig.state(domid);
    }
    rig.crash();
    rig.store.release(6, { keepNodes: true });
    rig.store.introduce(7, 'waiting');
    rig.ask(7, 'type=V5_8');
    await rig.follow();
    expect(rig.destroyed).toEqual(['5:11']);
    expect(rig.lines.join('\n')).toContain('domain 5: ioreq server 11 of an earlier run destroyed; its vGPU is gone');
    expect(await rig.state(7)).toBe('ready');
    expect(await rig.mediator.attached()).toEqual(['waiting: 7']);
    await until(() => nodes().every((line) => line.startsWith(`${ROOT}/7/`)));
  });

  test('by a crash: servers of another domain that has the number now are not touched', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    rig.crash();
    rig.store.introduce(5, 'young', 'uuid-young');
    await rig.follow();
    expect(rig.destroyed).toEqual([]);
    expect(nodes()).toEqual([]);
  });

  test('by a crash: a server that cannot be destroyed is told once, kept in mind, and tried again', async () => {
    await rig.follow();
    rig.store.introduce(5, 'desk');
    rig.ask(5, 'type=V5_4');
    await rig.state(5);
    rig.crash();
    rig.destroyFails = new XengtError('XENGT_E_XEN', 'domain 5: destroying ioreq server 11: not permitted');
    await rig.follow();
    for (let n = 0; n < 5; n++) await rig.follower?.look();
    const told = rig.complaints.filter((line) => line.includes('destroying ioreq server 11: not permitted'));
    expect(told.length).toBe(1);
    expect(rig.node(5, 'server')).toBe('11');
    // Also beyond this daemon.
    await rig.follower?.stop();
    rig.client?.close();
    expect(rig.node(5, 'server')).toBe('11');
    rig.destroyFails = null;
    await rig.follow();
    expect(rig.destroyed).toEqual(['5:11']);
    await until(() => nodes().length === 0);
  });

  test('and what stands in the store is no number: it is told', async () => {
    rig.store.introduce(5, 'desk');
    rig.store.set(`${ROOT}/5/server`, 'many');
    await rig.follow();
    expect(rig.complaints).toContain('Xen: domain 5: "many" is no number of an ioreq server');
    expect(rig.destroyed).toEqual([]);
  });
});

describe('a second daemon', () => {
  test('does not start where one serves, and leaves its nodes alone', async () => {
    // A process that surely runs: this one's parent.
    const { processMark } = await import('../../../src/control/xen/process-mark.js');
    rig.store.set(`${ROOT}/daemon`, processMark(process.ppid));
    rig.store.introduce(5, 'desk');
    rig.store.set(`${ROOT}/5/server`, '3');
    const before = rig.store.list(ROOT);
    expect(await refusal(rig.follow())).toBe(
      `another xengt daemon, process ${process.ppid}, serves the domains of this host`,
    );
    await rig.follower?.stop();
    expect(rig.store.list(ROOT)).toEqual(before);
    expect(rig.destroyed).toEqual([]);
  });

  test('starts where the mark is of a process that ended, or of another with its number', async () => {
    for (const mark of ['999999999 5', `${process.ppid} 1`, 'nonsense', '']) {
      rig.store.set(`${ROOT}/daemon`, mark);
      const follower = await rig.follow();
      await follower.stop();
      rig.client?.close();
    }
  });
});
