import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transaction, type XenstoreClient } from '../../../../src/hypervisor/xen/xenstore/index.js';
import { refusal, StoreRig, until } from './rig.js';

let rig: StoreRig;
let client: XenstoreClient;
beforeEach(async () => {
  rig = await new StoreRig().start();
  client = await rig.client();
});
afterEach(() => rig.stop());

describe('a transaction', () => {
  test('shows nothing before its end, then all', async () => {
    const seen: string[] = [];
    const result = await transaction(client, async (store) => {
      await store.write('/a', '1');
      await store.write('/b', '2');
      seen.push(rig.store.get('/a') ?? 'nothing', await store.read('/a'));
      return 'done';
    });
    expect(result).toBe('done');
    expect(seen).toEqual(['nothing', '1']);
    expect([rig.store.get('/a'), rig.store.get('/b')]).toEqual(['1', '2']);
    expect(rig.store.openTransactions).toBe(0);
  });

  test('runs again when others changed something, on what they made of it', async () => {
    rig.store.set('/n', '1');
    let others = 3;
    rig.store.beforeCommit = () => {
      if (others-- > 0) rig.store.set('/n', String(Number(rig.store.get('/n')) + 10));
    };
    await transaction(client, async (store) => store.write('/n', String(Number(await store.read('/n')) + 1)));
    expect(rig.store.get('/n')).toBe('32');
    expect(rig.store.openTransactions).toBe(0);
  });

  test('runs again when xenstored sees the conflict earlier', async () => {
    rig.store.refuse('WRITE', /^\/n$/, 'EAGAIN', 2);
    await transaction(client, (store) => store.write('/n', '1'));
    expect(rig.store.get('/n')).toBe('1');
    expect(rig.store.openTransactions).toBe(0);
  });

  test('gives up when others never let it through', async () => {
    let n = 0;
    rig.store.beforeCommit = () => rig.store.set('/busy', String(n++));
    expect(await refusal(transaction(client, (store) => store.write('/n', '1')))).toContain('16 times (EAGAIN)');
    expect(rig.store.get('/n')).toBeUndefined();
    expect(n).toBe(16);
  });

  test('that meets an error changes nothing', async () => {
    const failing = transaction(client, async (store) => {
      await store.write('/a', '1');
      await store.read('/none');
    });
    expect(await refusal(failing)).toContain('READ /none: there is no such node');
    expect(rig.store.get('/a')).toBeUndefined();
    expect(rig.store.openTransactions).toBe(0);
  });

  test('whose connection ends is not carried over to the next one', async () => {
    const failing = transaction(client, async (store) => {
      await store.write('/a', '1');
      await rig.store.restart();
      await until(() => client.generation === 2);
      await store.write('/b', '2');
    });
    expect(await refusal(failing)).toContain('WRITE /b: not connected to xenstored');
    expect([rig.store.get('/a'), rig.store.get('/b')]).toEqual([undefined, undefined]);
  });

  test('two at a time both come to be', async () => {
    rig.store.set('/n', '0');
    const other = await rig.client();
    const add = (one: XenstoreClient) =>
      transaction(one, async (store) => store.write('/n', String(Number(await store.read('/n')) + 1)));
    await Promise.all([add(client), add(other), add(client), add(other)]);
    expect(rig.store.get('/n')).toBe('4');
  });
});
