import { randomFillSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { picture } from '../fake-mediator.js';
import { ask, type Rig, startRig } from '../rig.js';
import { frame, type Update, ViewerClient, view } from './client.js';

let rig: Rig;
const clients: ViewerClient[] = [];
beforeEach(async () => {
  const guest = (name: string) => ({ name, transport: { kind: 'replay' as const, file: `/${name}.xj`, loop: true } });
  rig = await startRig({ vgpus: [guest('one'), guest('two')] });
  for (const id of [1, 2]) rig.mediator.screens.set(id, picture(200, 100, id));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await rig.stop();
});

async function viewer(where: string | number = rig.port): Promise<ViewerClient> {
  const client = await view(where);
  if (!(client instanceof ViewerClient)) throw new Error(`refused with ${client.status}`);
  clients.push(client);
  return client;
}

/** The viewer's own screen: what it is sent is painted on it. */
class Glass {
  rgba = Buffer.alloc(0);
  width = 0;

  paint(update: Update): void {
    if (this.rgba.length !== update.width * update.height * 4)
      this.rgba = Buffer.alloc(update.width * update.height * 4);
    this.width = update.width;
    for (const { x, y, width, height, rgba } of update.tiles) {
      for (let row = 0; row < height; row++) {
        rgba.copy(this.rgba, ((y + row) * update.width + x) * 4, row * width * 4, (row + 1) * width * 4);
      }
    }
  }
}

const opaque = (rgba: Uint8Array) => Buffer.from(rgba.map((byte, at) => (at % 4 === 3 ? 255 : byte)));
const shown = (id: number) => opaque(rig.mediator.screens.get(id)!.rgba);

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes outside the heap of JavaScript that are still in use. */
function held(): number {
  collect();
  return process.memoryUsage().external;
}

describe('a viewer', () => {
  test.each(['the TCP address', 'the UNIX socket'])(
    'at %s sees the screens that it asks for, pixel by pixel',
    async (where) => {
      const client = await viewer(where === 'the UNIX socket' ? rig.socket : rig.port);
      client.say({ watch: { 1: 30, 2: 30 } });
      const updates = [await client.update(), await client.update()].sort((one, other) => one.id - other.id);
      expect(updates.map(({ id, width, height, tiles }) => [id, width, height, tiles.length])).toEqual([
        [1, 200, 100, 8],
        [2, 200, 100, 8],
      ]);
      for (const update of updates) {
        const glass = new Glass();
        glass.paint(update);
        expect(glass.rgba.equals(shown(update.id))).toBe(true);
      }
    },
  );

  test('is sent only what changed, and only after it painted what it was sent', async () => {
    const client = await viewer();
    const glass = new Glass();
    client.say({ watch: { 1: 60 } });
    glass.paint(await client.update());
    const { rgba } = rig.mediator.screens.get(1)!;
    rgba[(70 * 200 + 130) * 4] ^= 0xff;
    await sleep(150);
    rgba[0] ^= 0xff;
    await sleep(150);
    expect(client.messages).toEqual([]);
    client.say({ painted: 1 });
    const update = await client.update();
    expect(update.tiles.map(({ x, y, width, height }) => [x, y, width, height])).toEqual([
      [0, 0, 64, 64],
      [128, 64, 64, 36],
    ]);
    glass.paint(update);
    expect(glass.rgba.equals(shown(1))).toBe(true);
  });

  test('follows a screen that changes its size, goes dark and comes back', async () => {
    const client = await viewer();
    const glass = new Glass();
    client.say({ watch: { 1: 60 } });
    for (const next of [picture(64, 300, 9), null, picture(200, 100, 4)]) {
      glass.paint(await client.update());
      expect(glass.rgba.equals(shown(1))).toBe(true);
      if (next === null) rig.mediator.screens.delete(1);
      else rig.mediator.screens.set(1, next);
      client.say({ painted: 1 });
      if (next !== null) continue;
      expect(await client.update()).toMatchObject({ width: 0, height: 0, tiles: [] });
      rig.mediator.screens.set(1, picture(200, 100, 4));
      client.say({ painted: 1 });
    }
  });

  test('that only pretends to paint and never reads holds no more than one update, and hurts nobody', async () => {
    const size = 1024;
    rig.mediator.screens.set(1, picture(size, size, 5));
    const deaf = await viewer();
    deaf.stream.pause();
    deaf.say({ watch: { 1: 60 } });
    const other = await viewer();
    other.say({ watch: { 1: 60 } });
    await other.update();
    other.say({ painted: 1 });
    const base = held();
    for (let round = 0; round < 25; round++) {
      const { rgba } = rig.mediator.screens.get(1)!;
      randomFillSync(rgba);
      for (let lie = 0; lie < 20; lie++) deaf.say({ painted: 1 });
      const update = await other.update();
      expect(update.tiles.length).toBe(16 * 16);
      other.say({ painted: 1 });
    }
    const grown = held() - base;
    // A picture is 4 MB, and 25 of them were made.
    expect(grown / 2 ** 20).toBeLessThan(30);
  }, 120_000);

  test('who looks at nothing any more is captured for no longer', async () => {
    const client = await viewer();
    client.say({ watch: { 1: 60, 2: 60 } });
    await client.update();
    await client.update();
    client.say({ watch: {} });
    await sleep(300);
    const before = rig.mediator.calls.filter((call) => call === 'screen').length;
    await sleep(300);
    expect(rig.mediator.calls.filter((call) => call === 'screen').length).toBe(before);
  });

  test('that looks at a vGPU which is gone sees nothing, and the rest goes on', async () => {
    const client = await viewer();
    client.say({ watch: { 1: 60 } });
    await client.update();
    await rig.mediator.removeVgpu(1);
    client.say({ painted: 1 });
    expect(await client.update()).toMatchObject({ width: 0 });
    expect((await ask(rig.port, '/v1/vgpus')).status).toBe(200);
    expect(rig.complaints).toEqual([]);
  });

  test('is told when the daemon stops', async () => {
    const client = await viewer();
    client.say({ watch: { 1: 60 } });
    await client.update();
    await rig.daemon.stop();
    expect((await client.next())?.payload.subarray(0, 2)).toEqual(Buffer.from([0x03, 0xe9]));
  });
});

describe('the door to the screens', () => {
  test.each([
    ['a page of elsewhere', { origin: 'http://evil.example' }, 403, /evil\.example/],
    ['a name that points here', { host: 'evil.example' }, 421, /evil\.example/],
    ['an old WebSocket', { 'sec-websocket-version': '7' }, 400, /Sec-WebSocket-Version/],
    ['a short key', { 'sec-websocket-key': 'short' }, 400, /Sec-WebSocket-Key/],
    ['another protocol', { upgrade: 'h2c' }, 400, /Upgrade/],
  ])('is closed to %s', async (_what, headers, status, text) => {
    const refused = await view(rig.port, headers as Record<string, string>);
    expect(refused).toMatchObject({ status });
    expect('text' in refused ? JSON.parse(refused.text).detail : '').toMatch(text);
  });

  test('is open to our own page', async () => {
    const host = `127.0.0.1:${rig.port}`;
    const client = await view(rig.port, { host, origin: `http://${host}` });
    expect(client).toBeInstanceOf(ViewerClient);
    if (client instanceof ViewerClient) clients.push(client);
  });

  test('is nowhere else', async () => {
    expect(await view(rig.port, {}, '/v1/vgpus')).toMatchObject({ status: 404 });
  });

  test('takes so many viewers and then says so', async () => {
    for (let i = 0; i < 64; i++) await viewer();
    expect(await view(rig.port)).toMatchObject({ status: 503 });
    clients.pop()?.close();
    await sleep(50);
    await viewer();
  });

  test.each([
    ['no JSON', frame(1, 'hello'), 1008],
    [
      'too many screens',
      frame(1, JSON.stringify({ watch: Object.fromEntries([...Array(33).keys()].map((id) => [id, 1])) })),
      1008,
    ],
    ['a thousand pictures a second', frame(1, '{"watch":{"1":1000}}'), 1008],
    ['neither key', frame(1, '{}'), 1008],
    ['bytes', frame(2, 'x'), 1003],
    ['a frame without a mask', frame(1, '{}', { masked: false }), 1002],
    ['half a ping', frame(9, '', { fin: false }), 1002],
    ['an end without a beginning', frame(0, 'x'), 1002],
    [
      'an endless message',
      Buffer.concat([frame(1, 'x'.repeat(10_000), { fin: false }), frame(0, 'x'.repeat(10_000))]),
      1009,
    ],
    ['a compressed frame', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 1002],
    ['four gigabytes', Buffer.from([0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0]), 1009],
  ])('hangs up on %s, with the code for it', async (_what, bytes, code) => {
    const client = await viewer();
    client.stream.write(bytes);
    const answer = await client.next();
    expect([answer?.opcode, answer?.payload.readUInt16BE(0)]).toEqual([8, code]);
    // What breaks the protocol is answered with its code alone, what breaks our rules with the rule.
    const ours = code === 1008 || code === 1003;
    expect((answer?.payload.length ?? 0) > 2).toBe(ours);
  });

  test('answers a ping, takes a message in pieces and a byte at a time, and a close with a close', async () => {
    const client = await viewer();
    const pieces = [frame(9, 'are you there'), frame(1, '{"watch":', { fin: false }), frame(0, '{"1":5}}')];
    for (const byte of Buffer.concat(pieces)) {
      client.stream.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    expect(await client.next()).toEqual({ opcode: 10, payload: Buffer.from('are you there') });
    expect((await client.update()).id).toBe(1);
    client.stream.write(frame(8, Buffer.from([0x03, 0xe8])));
    expect(await client.next()).toMatchObject({ opcode: 8 });
    expect(await client.next()).toBeUndefined();
  });
});
