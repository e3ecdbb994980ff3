import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isErrno, type XenstoreClient, XenstoreError } from '../../../../src/hypervisor/xen/xenstore/index.js';
import { encodeFrame, OPERATION, texts } from '../../../../src/hypervisor/xen/xenstore/wire.js';
import { refusal, StoreRig, until } from './rig.js';

let rig: StoreRig;
let client: XenstoreClient;
beforeEach(async () => {
  rig = await new StoreRig().start();
  client = await rig.client({ timeoutMs: 2000 });
});
afterEach(() => rig.stop());

const failure = (attempt: Promise<unknown>): Promise<unknown> => attempt.catch((error: unknown) => error);

describe('nodes', () => {
  test('are written with their parents, read, listed and removed with all below', async () => {
    await client.write('/a/b/c', 'x=1,y=ü');
    await client.mkdir('/a/b/d');
    await client.mkdir('/a/b/c');
    expect(await client.read('/a/b/c')).toBe('x=1,y=ü');
    expect(await client.read('/a/b')).toBe('');
    expect(await client.list('/a/b')).toEqual(['c', 'd']);
    await client.remove('/a/b');
    expect(await client.list('/a')).toEqual([]);
  });

  test('that do not exist are refused with name and path, and removing them is no error', async () => {
    const error = await failure(client.read('/none'));
    expect(error).toBeInstanceOf(XenstoreError);
    expect(error).toMatchObject({ errno: 'ENOENT', subject: '/none', code: 'XENGT_E_XEN' });
    expect(await refusal(client.read('/none'))).toBe('xenstore: READ /none: there is no such node (ENOENT)');
    await client.remove('/none');
    await client.remove('/none/at/all');
  });

  test('keep their permissions', async () => {
    await client.write('/a', '');
    await client.setPermissions('/a', [
      { domid: 0, access: 'none' },
      { domid: 5, access: 'read' },
      { domid: 6, access: 'both' },
      { domid: 7, access: 'write' },
    ]);
    expect(rig.store.perms('/a')).toEqual(['n0', 'r5', 'b6', 'w7']);
    expect(await client.permissions('/a')).toEqual([
      { domid: 0, access: 'none' },
      { domid: 5, access: 'read' },
      { domid: 6, access: 'both' },
      { domid: 7, access: 'write' },
    ]);
    expect(await refusal(client.setPermissions('/a', []))).toContain('there is no owner');
    expect(await refusal(client.setPermissions('/a', [{ domid: -1, access: 'none' }]))).toContain('-1 is no domain');
  });

  test('a list too long for one message comes in parts', async () => {
    const names = Array.from({ length: 700 }, (_, n) => `domain-number-${n}`);
    for (const name of names) rig.store.set(`/many/${name}`, '');
    expect(await client.list('/many')).toEqual(names);
    expect(rig.store.requests.filter((line) => line === 'DIRECTORY_PART /many').length).toBeGreaterThan(2);
  });

  test('a list that changes between its parts is read again from its start', async () => {
    const names = Array.from({ length: 700 }, (_, n) => `domain-number-${n}`);
    for (const name of names) rig.store.set(`/many/${name}`, '');
    let parts = 0;
    rig.store.onRequest = (type) => {
      if (type === 'DIRECTORY_PART' && ++parts === 2) rig.store.remove('/many/domain-number-0');
    };
    expect(await client.list('/many')).toEqual(names.slice(1));
  });

  test('a list that changes all the time is given up', async () => {
    for (let n = 0; n < 700; n++) rig.store.set(`/many/domain-number-${n}`, '');
    let count = 0;
    rig.store.onRequest = (type) => {
      if (type === 'DIRECTORY_PART') rig.store.set(`/other/${++count}`, '');
    };
    const error = await failure(client.list('/many'));
    expect(isErrno(error, 'EAGAIN')).toBe(true);
  });

  test.each([
    ['relative', 'a'],
    ['empty', ''],
    ['with a trailing slash', '/a/'],
    ['with an empty part', '/a//b'],
    ['with a zero byte', '/a\0b'],
    ['with a space', '/a b'],
  ])('a path that is %s does not reach xenstored', async (_what, path) => {
    expect(await refusal(client.read(path))).toMatch(/READ ".*": allowed: an absolute path/);
    expect(rig.store.requests).toEqual([]);
  });

  test('a path or value that is too long is refused and the connection lives on', async () => {
    expect(await refusal(client.read(`/${'a'.repeat(3072)}`))).toContain('at most 3072 bytes');
    expect(await refusal(client.write('/a', 'v'.repeat(4096)))).toContain('WRITE of 4099 bytes; at most 4096 fit');
    await client.write('/a', 'v'.repeat(4093));
    expect((await client.read('/a')).length).toBe(4093);
    expect(client.generation).toBe(1);
  });

  test('every errno of xenstored reaches the caller by name', async () => {
    for (const errno of ['EACCES', 'ENOSPC', 'EROFS', 'EIO', 'EBUSY']) {
      rig.store.refuse('WRITE', /^\/a$/, errno);
      expect(await failure(client.write('/a', ''))).toMatchObject({ errno, subject: '/a' });
    }
    expect(await refusal(client.write('/a', ''))).toBe('it was done');
  });
});

describe('answers', () => {
  test('find their requests when many are under way, in pieces of one byte', async () => {
    for (let n = 0; n < 50; n++) rig.store.set(`/n/${n}`, `value ${n}`);
    rig.store.piece = 1;
    const all = await Promise.all(Array.from({ length: 50 }, (_, n) => client.read(`/n/${n}`)));
    expect(all).toEqual(Array.from({ length: 50 }, (_, n) => `value ${n}`));
  });

  test('may come in any order', async () => {
    const held: number[] = [];
    rig.store.wrong = {
      type: 'READ',
      bytes: (request) => {
        held.push(request);
        return Buffer.alloc(0);
      },
    };
    const first = client.read('/slow');
    rig.store.set('/quick', 'now');
    expect(await client.read('/quick')).toBe('now');
    rig.store.blurt(encodeFrame(OPERATION.READ, held[0]!, 0, Buffer.from('late')));
    expect(await first).toBe('late');
  });

  const nonsense: readonly (readonly [string, (request: number) => Buffer, RegExp])[] = [
    [
      'of another type',
      (request) => encodeFrame(OPERATION.WRITE, request, 0, texts('OK')),
      /MKDIR was answered by a WRITE/,
    ],
    [
      'to nobody',
      (request) => encodeFrame(OPERATION.MKDIR, request + 1, 0, texts('OK')),
      /answers request \d+, which nobody made/,
    ],
    [
      'of another transaction',
      (request) => encodeFrame(OPERATION.MKDIR, request, 9, texts('OK')),
      /of transaction 0 is of 9/,
    ],
    ['that is not OK', (request) => encodeFrame(OPERATION.MKDIR, request, 0, texts('KO')), /"KO\\u0000", is not OK/],
    ['without an end', (request) => encodeFrame(OPERATION.MKDIR, request, 0, Buffer.from('OK')), /"OK", is not OK/],
    [
      'that is an error without a name',
      (request) => encodeFrame(OPERATION.ERROR, request, 0, texts('oops')),
      /has no name of an errno/,
    ],
    [
      'with an impossible length',
      (request) => {
        const bytes = encodeFrame(OPERATION.MKDIR, request, 0, texts('OK'));
        bytes.writeUInt32LE(5000, 12);
        return bytes;
      },
      /MKDIR of 5000 bytes; at most 4096/,
    ],
    [
      'that is an event without a token',
      () => encodeFrame(OPERATION.WATCH_EVENT, 0, 0, texts('/a')),
      /names no path and token/,
    ],
  ];
  test.each(nonsense)('one %s ends the connection, and a new one is made', async (_what, bytes, reason) => {
    rig.store.wrong = { type: 'MKDIR', bytes };
    const other = failure(client.mkdir('/a'));
    const error = await other;
    expect(error).toMatchObject({ errno: 'EPROTO', subject: '/a' });
    expect(String(error)).toMatch(reason);
    expect(rig.lines.join('\n')).toMatch(reason);
    await until(() => client.connected);
    expect(client.generation).toBe(2);
    await client.mkdir('/a');
  });

  test('that do not come in time end the connection, and say which request it was', async () => {
    const quick = await rig.client({ timeoutMs: 40 });
    rig.store.mute = 'READ';
    expect(await refusal(quick.read('/a'))).toContain('no answer within 0.04 s (ETIMEDOUT)');
    rig.store.mute = null;
    await until(() => quick.connected);
    rig.store.set('/a', 'x');
    expect(await quick.read('/a')).toBe('x');
  });

  test('of domains', async () => {
    rig.store.introduce(7, 'seven');
    expect(await client.domainPath(7)).toBe('/local/domain/7');
    expect(await client.isDomainIntroduced(7)).toBe(true);
    expect(await client.isDomainIntroduced(8)).toBe(false);
  });
});

describe('watches', () => {
  test('fire at the start, for the node and all below it, and not for others', async () => {
    const seen: string[] = [];
    await client.watch('/w', (path) => void seen.push(path));
    rig.store.set('/w/a/b', '1');
    rig.store.set('/wide', '1');
    rig.store.set('/w', '2');
    rig.store.remove('/w');
    await client.read('/');
    await until(() => seen.length >= 4);
    expect(seen).toEqual(['/w', '/w/a/b', '/w', '/w']);
  });

  test('of one path are told apart, and one that is closed stays silent', async () => {
    const seen: string[] = [];
    const first = await client.watch('/w', () => void seen.push('first'));
    await client.watch('/w', () => void seen.push('second'));
    await until(() => seen.length === 2);
    await first.close();
    await first.close();
    rig.store.set('/w', '');
    await until(() => seen.length === 3);
    expect(seen[2]).toBe('second');
    expect(rig.store.watches).toEqual(['/w']);
  });

  test('that fail do not take the connection along', async () => {
    await client.watch('/w', () => {
      throw new Error('no');
    });
    await until(() => rig.lines.includes('a watch of /w failed: no'));
    expect(await client.list('/')).toEqual([]);
  });

  test('that xenstored refuses are none', async () => {
    rig.store.refuse('WATCH', /^\/w$/, 'EACCES');
    expect(await refusal(client.watch('/w', () => undefined))).toContain('WATCH /w: permission denied (EACCES)');
    expect(await refusal(client.watch('@no/such', () => undefined))).toContain('allowed: an absolute path');
    await rig.store.restart();
    await until(() => client.connected);
    expect(rig.store.watches).toEqual([]);
  });
});

describe('a xenstored that restarts', () => {
  test('finds the client back, with its watches, which fire', async () => {
    const seen: string[] = [];
    let again = 0;
    const watcher = await rig.client({ onReconnect: () => void again++ });
    await watcher.watch('/w', (path) => void seen.push(path));
    await watcher.watch('@releaseDomain', (path) => void seen.push(path));
    await until(() => seen.length === 2);
    await rig.store.restart();
    await until(() => again === 1);
    expect(rig.store.watches).toEqual(['/w', '@releaseDomain']);
    await until(() => seen.length === 4);
    rig.store.set('/w/x', '');
    await until(() => seen.at(-1) === '/w/x');
    expect(rig.lines.join('\n')).toMatch(/connection to .*: xenstored closed it \(ENOTCONN\); connecting again/);
    expect(rig.lines.join('\n')).toContain('connected to xenstored again');
  });

  test('leaves nobody waiting', async () => {
    rig.store.mute = 'READ';
    const asked = failure(client.read('/a'));
    await client.list('/');
    await rig.store.stop();
    expect(await asked).toMatchObject({ errno: 'ENOTCONN', subject: '/a' });
    expect(await refusal(client.read('/a'))).toContain('not connected to xenstored (ENOTCONN)');
    rig.store.mute = null;
    await rig.store.start();
    await until(() => client.connected);
    expect(await refusal(client.read('/a'))).toContain('ENOENT');
  });

  test('in the middle of a message is told so', async () => {
    rig.store.wrong = {
      type: 'READ',
      bytes: (request) => encodeFrame(OPERATION.READ, request, 0, texts('x')).subarray(0, 9),
    };
    const asked = failure(client.read('/a'));
    await until(() => rig.store.requests.includes('READ /a'));
    await rig.store.restart();
    expect(String(await asked)).toContain('it ended after 9 bytes of a message');
  });

  test('and does not take watches back at first is asked again', async () => {
    await client.watch('/w', () => undefined);
    rig.store.refuse('WATCH', /^\/w$/, 'ENOSPC', 2);
    await rig.store.restart();
    await until(() => rig.store.watches.length === 1);
    expect(rig.store.connections).toBe(1);
    expect(rig.lines.join('\n')).toContain('a quota of xenstored is exhausted (ENOSPC)');
  });
});

describe('a client that cannot connect says why', () => {
  test('when there is no xenstored', async () => {
    expect(await refusal(rig.client({ path: join(rig.folder, 'none') }))).toMatch(
      /connecting to .*none: there is no such socket; this must run in dom0, with xenstored running \(ENOENT\)/,
    );
  });

  test('when nobody listens', async () => {
    const file = join(rig.folder, 'file');
    writeFileSync(file, '');
    expect(await refusal(rig.client({ path: file }))).toContain(
      'nobody listens there; xenstored does not run (ECONNREFUSED)',
    );
  });

  test('and one that was closed stays closed', async () => {
    const asked = failure(client.read('/a'));
    client.close();
    expect(await asked).toMatchObject({ errno: 'ENOTCONN' });
    expect(await refusal(client.read('/a'))).toContain('not connected');
    await until(() => rig.store.connections === 0);
  });
});
