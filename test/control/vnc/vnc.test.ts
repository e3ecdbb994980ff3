import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Screen } from '../../../src/mediator/api.js';
import { picture } from '../fake-mediator.js';
import { ask, type Rig, startRig } from '../rig.js';
import { NATIVE, RfbClient, type ViewerFormat } from './client.js';

const RAW = 0;
const ZRLE = 16;
const DESKTOP_SIZE = -223;

let rig: Rig;
let folder: string;
const clients: RfbClient[] = [];
const at = (name: string) => join(folder, `${name}.sock`);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xengt-vnc-'));
  const guest = (name: string) => ({ name, transport: { kind: 'replay' as const, file: `/${name}.xj`, loop: true } });
  rig = await startRig({ vgpus: [guest('vm1'), guest('vm2')], vnc: { kind: 'folder', path: folder } });
  for (const id of [1, 2]) rig.mediator.screens.set(id, picture(200, 100, id));
  await until(() => existsSync(at('vgpu-vm2')));
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await rig.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function until(good: () => boolean): Promise<void> {
  for (let tries = 0; !good(); tries++) {
    if (tries > 100) throw new Error('waited for too long');
    await sleep(50);
  }
}

async function open(name: string, version?: string): Promise<RfbClient> {
  const client = new RfbClient(at(name));
  clients.push(client);
  return client.handshake(version);
}

const rgbOf = ({ rgba }: Screen) => Buffer.from(rgba.filter((_, i) => i % 4 !== 3));
const screen = (id: number) => rig.mediator.screens.get(id)!;

describe('a VNC viewer', () => {
  test.each(['003.003', '003.007', '003.008', '003.889'])(
    'of version %s sees the guest, pixel by pixel',
    async (version) => {
      const client = await open('vgpu-vm1', version === '003.889' ? '003.003' : version);
      expect([client.width, client.height, client.name]).toEqual([200, 100, 'vm1 (xengt)']);
      client.request(false);
      await client.update();
      expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
    },
  );

  test.each<[string, ViewerFormat]>([
    ['32 bits, red lowest', { ...NATIVE, shift: [0, 8, 16] }],
    ['32 bits, big-endian', { ...NATIVE, bigEndian: true }],
    ['32 bits, the top three bytes', { ...NATIVE, shift: [24, 16, 8] }],
    ['32 bits, the top three bytes, big-endian', { ...NATIVE, shift: [24, 16, 8], bigEndian: true }],
    ['30 bits a pixel', { ...NATIVE, max: [1023, 1023, 1023], shift: [20, 10, 0] }],
  ])('that wants %s gets the same colours, raw and compressed', async (_what, format) => {
    const client = await open('vgpu-vm1');
    client.setFormat(format);
    for (const encoding of [RAW, ZRLE]) {
      client.setEncodings(encoding);
      client.request(false);
      await client.update();
      expect(client.rects).toEqual([{ x: 0, y: 0, width: 200, height: 100, encoding }]);
      expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
    }
  });

  test('that has few colours gets the nearest ones', async () => {
    const client = await open('vgpu-vm1');
    for (const format of [
      { bits: 16, bigEndian: true, max: [31, 63, 31], shift: [11, 5, 0] },
      { bits: 8, bigEndian: false, max: [7, 7, 3], shift: [0, 3, 6] },
    ] satisfies ViewerFormat[]) {
      client.setFormat(format);
      client.setEncodings(ZRLE);
      client.request(false);
      await client.update();
      const off = rgbOf(screen(1)).map((value, i) => Math.abs(value - client.rgb[i]!));
      expect(Math.max(...off)).toBeLessThanOrEqual(Math.ceil(255 / format.max[2]! / 2));
    }
  });

  test('has the newest picture, whatever is painted while it looks, however few colours', async () => {
    const client = await open('vgpu-vm1');
    client.setEncodings(ZRLE, RAW);
    client.request(false);
    await client.update();
    const blocks = fc.record({
      x: fc.nat(199),
      y: fc.nat(99),
      width: fc.integer({ min: 1, max: 150 }),
      height: fc.integer({ min: 1, max: 90 }),
      colours: fc.array(fc.nat(0xffffff), { minLength: 1, maxLength: 18 }),
    });
    await fc.assert(
      fc.asyncProperty(blocks, async ({ x, y, width, height, colours }) => {
        const { rgba } = screen(1);
        const words = new Uint32Array(rgba.buffer);
        const before = rgbOf(screen(1));
        for (let row = y; row < Math.min(100, y + height); row++) {
          for (let column = x; column < Math.min(200, x + width); column++) {
            words[row * 200 + column] = colours[(row * 7 + column * 3) % colours.length]!;
          }
        }
        if (rgbOf(screen(1)).equals(before)) return;
        client.request(true);
        await client.update();
        expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  test('is sent nothing while nothing changes, and only what changed then', async () => {
    const client = await open('vgpu-vm1');
    client.request(false);
    await client.update();
    client.request(true);
    let told = false;
    const update = client.update().then(() => {
      told = true;
    });
    await sleep(300);
    expect(told).toBe(false);
    screen(1).rgba[(80 * 200 + 150) * 4]! ^= 0xff;
    await update;
    expect(client.rects).toEqual([{ x: 128, y: 64, width: 64, height: 36, encoding: RAW }]);
    expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
  });

  test('that looks at a part is told of that part, and is still owed the rest', async () => {
    const client = await open('vgpu-vm1');
    client.request(false);
    await client.update();
    client.request(true, 0, 0, 10, 10);
    screen(1).rgba[(80 * 200 + 150) * 4]! ^= 0xff;
    await sleep(300);
    screen(1).rgba[0]! ^= 0xff;
    await client.update();
    expect(client.rects).toEqual([{ x: 0, y: 0, width: 10, height: 10, encoding: RAW }]);
    client.request(true);
    await client.update();
    expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
  });

  test('follows a new mode, and sees black when the guest shows nothing', async () => {
    const client = await open('vgpu-vm1');
    client.setEncodings(ZRLE, DESKTOP_SIZE);
    client.request(false);
    await client.update();
    rig.mediator.screens.set(1, picture(64, 300, 7));
    client.request(true);
    await client.update();
    expect([client.width, client.height]).toEqual([64, 300]);
    client.request(true);
    await client.update();
    expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
    rig.mediator.screens.delete(1);
    client.request(true);
    await client.update();
    expect(client.rgb.equals(Buffer.alloc(64 * 300 * 3))).toBe(true);
  });

  test('that cannot follow a new mode sees what of it fits, and black around', async () => {
    const client = await open('vgpu-vm1');
    client.request(false);
    await client.update();
    rig.mediator.screens.set(1, picture(100, 300, 7));
    client.request(true);
    await client.update();
    const small = rgbOf(screen(1));
    for (let y = 0; y < 100; y++) {
      expect(client.rgb.subarray(y * 600, y * 600 + 300).equals(small.subarray(y * 300, y * 300 + 300))).toBe(true);
      expect(client.rgb.subarray(y * 600 + 300, y * 600 + 600).equals(Buffer.alloc(300))).toBe(true);
    }
  });

  test('types and copies without any effect', async () => {
    const client = await open('vgpu-vm1');
    client.socket.write(Buffer.from([4, 1, 0, 0, 0, 0, 0, 0x61, 5, 1, 0, 9, 0, 9]));
    const clipboard = Buffer.alloc(8 + 300_000, 3);
    clipboard.writeUInt32BE(0x06000000, 0);
    clipboard.writeUInt32BE(300_000, 4);
    client.socket.write(clipboard);
    client.request(false);
    await client.update();
    expect(client.rgb.equals(rgbOf(screen(1)))).toBe(true);
  });

  test.each([
    ['another protocol', 'GET / HTTP/1.1\r\n\r\n', /no version of RFB/],
    ['a security type that was not offered', 'RFB 003.008\n\x02', /security type 2/],
    ['an unknown message', 'RFB 003.008\n\x01\x01\xff', /message of type 255/],
    ['a colour map', `RFB 003.008\n\x01\x01\0\0\0\0\x08\x08${'\0'.repeat(14)}`, /a colour map/],
    ['24 bits a pixel', `RFB 003.008\n\x01\x01\0\0\0\0\x18\x18\0\x01${'\0'.repeat(12)}`, /24 bits/],
  ])('that sends %s is hung up on, and the log says why', async (_what, bytes, why) => {
    const client = new RfbClient(at('vgpu-vm1'));
    clients.push(client);
    client.socket.write(Buffer.from(bytes, 'latin1'));
    await until(() => client.ended);
    expect(rig.complaints.join()).toMatch(why);
    expect((await open('vgpu-vm1')).width).toBe(200);
  });

  test('that never reads holds up nobody', async () => {
    rig.mediator.screens.set(1, picture(1024, 1024, 3));
    const deaf = await open('vgpu-vm1');
    deaf.socket.pause();
    for (let i = 0; i < 2000; i++) deaf.request(false, 0, 0, 1024, 1024);
    const other = await open('vgpu-vm1');
    for (let i = 0; i < 3; i++) {
      screen(1).rgba[i]! ^= 0xff;
      other.request(false);
      await other.update();
    }
    expect(other.rgb.equals(rgbOf(screen(1)))).toBe(true);
  });
});

describe('the displays', () => {
  test('come and go with their vGPUs, for our own user only', async () => {
    for (const name of ['foreground', 'vgpu-vm1', 'vgpu-vm2']) expect(statSync(at(name)).mode & 0o777).toBe(0o600);
    const client = await open('vgpu-vm1');
    await ask(rig.socket, '/v1/vgpus/vm1', { method: 'DELETE' });
    await until(() => client.ended && !existsSync(at('vgpu-vm1')));
    const body = { name: 'new', transport: 'replay', file: '/n.xj' };
    await ask(rig.socket, '/v1/vgpus', { method: 'POST', body });
    await until(() => existsSync(at('vgpu-new')));
    expect((await open('vgpu-new')).name).toBe('new (xengt)');
  });

  test('of the foreground follows foreground_vm', async () => {
    const put = (vm: number) =>
      ask(rig.socket, '/v1/tree/control/foreground_vm', { method: 'PUT', body: { value: `${vm}` } });
    const client = await open('foreground');
    expect([client.width, client.height]).toEqual([640, 480]);
    client.setEncodings(ZRLE, DESKTOP_SIZE);
    client.request(false);
    await client.update();
    expect(client.rgb.equals(Buffer.alloc(640 * 480 * 3))).toBe(true);
    for (const vm of [1, 2]) {
      expect((await put(vm)).status).toBe(204);
      client.request(true);
      await client.update();
      if (client.rects[0]?.encoding === DESKTOP_SIZE) {
        client.request(true);
        await client.update();
      }
      expect(client.rgb.equals(rgbOf(screen(vm)))).toBe(true);
    }
  });

  test('are ports behind one another, of which a taken one is named', async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port - 1 : 0;
    const guest = { name: 'one', transport: { kind: 'replay' as const, file: '/one.xj', loop: true } };
    const tcp = await startRig({ vgpus: [guest], vnc: { kind: 'tcp', address: { host: '127.0.0.1', port } } });
    await until(() => tcp.complaints.length > 0);
    expect(tcp.complaints.join()).toMatch(
      new RegExp(`vGPU one has no VNC display: vnc: cannot serve at 127.0.0.1:${port + 1}`),
    );
    const client = new RfbClient(port);
    clients.push(client);
    expect((await client.handshake()).name).toBe('foreground (xengt)');
    await tcp.stop();
    taken.close();
  });

  test('at a taken port keep the daemon from starting', async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, '127.0.0.1', done));
    const address = taken.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(startRig({ vnc: { kind: 'tcp', address: { host: '127.0.0.1', port } } })).rejects.toThrow(
      /^vnc: cannot serve at 127\.0\.0\.1:\d+: .*EADDRINUSE/,
    );
    taken.close();
  });
});
