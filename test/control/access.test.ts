import { chmodSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { XengtError } from '../../src/base/index.js';
import { readToken } from '../../src/control/http/index.js';
import { ask, type Rig, scratch, startRig } from './rig.js';

const TOKEN = 'correct-horse-battery-staple';
const files = scratch();
let rig: Rig;
beforeAll(async () => {
  const tokenFile = files.write('token', `${TOKEN}\n`);
  chmodSync(tokenFile, 0o600);
  rig = await startRig({ tokenFile });
});
afterAll(async () => {
  await rig.stop();
  files.drop();
});

const GUEST = { name: 'one', type: 'V5_8', transport: 'vfio-user', socket: '/run/one.sock' };
const bearer = { authorization: `Bearer ${TOKEN}` };

describe('where there is a token', () => {
  test.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer correct-horse-battery-staplf' }],
    ['a part of it', { authorization: 'Bearer correct-horse' }],
    ['another way of asking', { authorization: `Basic ${TOKEN}` }],
    ['another cookie', { cookie: 'xengt_token=none' }],
  ])('nothing is served over TCP to who has %s', async (_what, headers) => {
    for (const [path, method] of [
      ['/', 'GET'],
      ['/metrics', 'GET'],
      ['/v1/vgpus', 'GET'],
      ['/v1/vgpus', 'POST'],
      ['/v1/none', 'GET'],
    ] as const) {
      const answer = await ask(rig.port, path, { method, headers, ...(method === 'POST' && { body: GUEST }) });
      expect(answer.status, path).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(answer.json()).toMatchObject({ code: 'XENGT_E_DENIED', exitCode: 77 });
    }
    expect(rig.mediator.specs).toEqual([]);
  });

  test('who has it may change things over TCP', async () => {
    expect((await ask(rig.port, '/v1/vgpus', { method: 'POST', body: GUEST, headers: bearer })).status).toBe(201);
    expect((await ask(rig.port, '/metrics', { headers: bearer })).text).toContain('vgpu="one"');
    expect((await ask(rig.port, '/v1/vgpus/one', { method: 'DELETE', headers: bearer })).status).toBe(204);
  });

  test('a browser gives it once, and keeps it where no script and no other site can use it', async () => {
    const first = await ask(rig.port, `/?token=${TOKEN}`);
    expect(first.status).toBe(303);
    expect(first.headers.location).toBe('/');
    const [cookie = ''] = first.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/);
    const headers = { cookie: `other=1; ${cookie.split(';')[0]}` };
    expect((await ask(rig.port, '/', { headers })).status).toBe(200);
    expect((await ask(rig.port, '/?token=none')).status).toBe(401);
  });

  test('the UNIX socket needs none', async () => {
    expect((await ask(rig.socket, '/v1/vgpus')).status).toBe(200);
  });

  test('the screens are not open either', async () => {
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    expect((await ask(rig.port, '/v1/screens', { headers })).status).toBe(401);
  });
});

describe('a file that is no secret is refused', () => {
  const refused = (name: string, text: string, mode: number): string => {
    const file = files.write(name, text);
    chmodSync(file, mode);
    try {
      readToken(file);
    } catch (error) {
      if (error instanceof XengtError && error.code === 'XENGT_E_CONFIG') return error.message;
      throw error;
    }
    return 'taken';
  };

  test('others may read it', () => {
    expect(refused('open', TOKEN, 0o644)).toMatch(/tokenFile: others may read .*0600/);
  });

  test('it is short, or has what no header can carry', () => {
    expect(refused('short', 'abc', 0o600)).toMatch(/at least 16 letters/);
    expect(refused('odd', 'sixteen letters; and more', 0o600)).toMatch(/holds no token/);
    expect(refused('empty', '', 0o600)).toMatch(/holds no token/);
  });

  test('it is not there', () => {
    expect(() => readToken(files.path('none'))).toThrow(/tokenFile: .*no such file/);
  });
});
