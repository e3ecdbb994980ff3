import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type Domain,
  DomainWatcher,
  findDomain,
  liveDomains,
  type XenstoreClient,
} from '../../../../src/hypervisor/xen/xenstore/index.js';
import { refusal, StoreRig, until } from './rig.js';

let rig: StoreRig;
let client: XenstoreClient;
beforeEach(async () => {
  rig = await new StoreRig().start();
  client = await rig.client();
  rig.store.set('/local/domain/0/name', 'Domain-0');
});
afterEach(() => rig.stop());

describe('the domains that live', () => {
  test('have number, name and uuid; dom0 is none of them', async () => {
    rig.store.introduce(3, 'desk');
    rig.store.introduce(4);
    rig.store.set('/local/domain/not-a-number', '');
    expect([...(await liveDomains(client)).values()]).toEqual([
      { domid: 3, name: 'desk', uuid: 'uuid-3' },
      { domid: 4, name: null, uuid: 'uuid-4' },
    ]);
  });

  test('are not those that Xen let go of while the toolstack has still nodes of them', async () => {
    rig.store.introduce(3, 'desk');
    rig.store.release(3, { keepNodes: true });
    expect((await liveDomains(client)).size).toBe(0);
  });
});

describe('an operator names a domain', () => {
  beforeEach(() => {
    rig.store.introduce(3, 'desk');
    rig.store.introduce(4, 'twin');
    rig.store.introduce(5, 'twin');
    rig.store.introduce(6, '77');
  });

  test('by number or name', async () => {
    expect((await findDomain(client, '3')).name).toBe('desk');
    expect((await findDomain(client, 'desk')).domid).toBe(3);
  });

  test.each([
    ['none', 'domain: no domain is named "none"; there is: desk (3), twin (4), twin (5), 77 (6)'],
    ['twin', 'domain: 4, 5 are all named "twin"; give the number'],
    ['77', 'domain: there is no domain 77; there is: desk (3), twin (4), twin (5), 77 (6)'],
    ['0', 'domain: 0 is dom0 itself, which gets no vGPU; there is: desk (3), twin (4), twin (5), 77 (6)'],
  ])('%s: refused in words', async (key, text) => {
    expect(await refusal(findDomain(client, key))).toBe(text);
  });

  test('where no guest runs', async () => {
    for (const domid of [3, 4, 5, 6]) rig.store.release(domid);
    expect(await refusal(findDomain(client, 'desk'))).toContain('no guest runs');
  });
});

describe('a watcher of domains', () => {
  let seen: number[][];
  let watcher: DomainWatcher;
  const start = async (
    onChange: (live: ReadonlyMap<number, Domain>) => Promise<void> | void = (live) => void seen.push([...live.keys()]),
  ) => {
    seen = [];
    watcher = new DomainWatcher({
      client,
      onChange: async (live) => onChange(await live()),
      log: (line) => void rig.lines.push(line),
    });
    await watcher.start();
  };
  afterEach(() => watcher.stop());

  test('tells of those that come and go', async () => {
    await start();
    rig.store.introduce(3, 'desk');
    await until(() => seen.at(-1)?.join() === '3');
    rig.store.introduce(4, 'other');
    await until(() => seen.at(-1)?.join() === '3,4');
    rig.store.release(3);
    await until(() => seen.at(-1)?.join() === '4');
  });

  test('looks anew when xenstored was away', async () => {
    await start();
    await rig.store.stop();
    rig.store.introduce(3, 'desk');
    await rig.store.start();
    await until(() => seen.at(-1)?.join() === '3');
  });

  test('makes one call at a time, and none after it was stopped', async () => {
    let now = 0;
    let most = 0;
    let calls = 0;
    await start(async () => {
      calls++;
      most = Math.max(most, ++now);
      await new Promise((resolve) => setTimeout(resolve, 3));
      now--;
    });
    for (let domid = 1; domid < 20; domid++) rig.store.introduce(domid);
    await watcher.look();
    await watcher.stop();
    const before = calls;
    rig.store.introduce(30);
    await client.read('/');
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([most, now, calls]).toEqual([1, 0, before]);
    expect(calls).toBeLessThan(15);
    expect(rig.store.watches).toEqual([]);
  });

  test('goes on after a look that failed', async () => {
    await start((live) => {
      seen.push([...live.keys()]);
      if (live.size === 1) throw new Error('one is not enough');
    });
    rig.store.introduce(3);
    await until(() => rig.lines.includes('looking at the domains failed: one is not enough'));
    rig.store.introduce(4);
    await until(() => seen.at(-1)?.join() === '3,4');
  });
});
