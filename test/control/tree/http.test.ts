import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, ask, type Rig, startRig } from '../rig.js';
import { TYPE, UUID } from './rig.js';

let rig: Rig;
beforeAll(async () => {
  const transport = { kind: 'replay', file: '/a.xj', loop: true } as const;
  rig = await startRig({
    vgpus: [
      { name: 'vm5', transport },
      { name: 'vm6', transport },
    ],
  });
});
afterAll(() => rig.stop());

const at = (path: string): Promise<Answer> => ask(rig.socket, `/v1/tree/${path}`);
const put = (path: string, value: unknown) => ask(rig.socket, `/v1/tree/${path}`, { method: 'PUT', body: { value } });

describe('the tree over HTTP', () => {
  test('has folders, attributes, links and bytes', async () => {
    expect((await at('')).json()).toMatchObject({ kind: 'folder', children: { control: 'folder', vm5: 'folder' } });
    expect((await at('vm5/xengt/weight')).json()).toEqual({ kind: 'attribute', mode: '0644', value: '2' });
    expect((await at('control/create_vgt_instance')).json()).toEqual({ kind: 'attribute', mode: '0220' });
    expect((await at('vm5/xengt/statistics/interrupts')).json()).toMatchObject({ value: '9' });
    const { value } = (await at('vm5/PORT_D/edid')).json();
    expect(Buffer.from(String(value), 'base64')).toHaveLength(128);
    expect((await put(`${TYPE}/create`, UUID)).status).toBe(204);
    expect((await at(`bus/mdev/devices/${UUID}`)).json()).toMatchObject({ kind: 'link' });
    expect((await at('vm99')).status).toBe(404);
  });

  test('refuses what a shell is refused, with the reason', async () => {
    const refused = async (path: string, value: unknown) => {
      const { status, text } = await put(path, value);
      return `${status} ${(JSON.parse(text) as { detail: string }).detail}`;
    };
    expect(await refused('vm5/xengt/weight', '300')).toMatch(/^400 weight: "300" is not allowed; allowed: a whole/);
    expect(await refused('vm5/xengt/state', 'x')).toBe('400 /vm5/xengt/state can not be written');
    expect(await refused('control/create_vgt_instance', '-99')).toBe('404 VM 99 has no vGPU');
    expect(await refused('vm5/xengt/weight', 3)).toMatch(/^400 value: 3 is not allowed/);
    expect(await refused('vm99/xengt/weight', '3')).toMatch(/^404/);
  });

  test('does several writes, or none', async () => {
    const post = (writes: unknown) => ask(rig.socket, '/v1/tree', { method: 'POST', body: { writes } });
    const weight = (vm: number, value: string) => ({ path: `vm${vm}/xengt/weight`, value });
    expect((await post([weight(5, '10'), weight(6, '300')])).status).toBe(400);
    expect((await at('vm5/xengt/weight')).json()).toMatchObject({ value: '2' });
    expect((await post([weight(5, '10'), weight(6, '30')])).status).toBe(204);
    expect((await at('vm6/xengt/weight')).json()).toMatchObject({ value: '30' });
    expect((await post(Array.from({ length: 101 }, () => weight(5, '1')))).status).toBe(400);
  });

  test('changes nothing over TCP', async () => {
    expect((await ask(rig.port, '/v1/tree/vm5/xengt/weight')).status).toBe(200);
    const changed = await ask(rig.port, '/v1/tree/vm5/xengt/weight', { method: 'PUT', body: { value: '1' } });
    expect(changed.status).toBe(405);
  });

  test('shows the screen of the VM in the foreground', async () => {
    const screen = () => ask(rig.socket, '/v1/foreground/screen.png');
    expect((await screen()).status).toBe(404);
    expect((await put('control/foreground_vm', '6')).status).toBe(204);
    const shown = await screen();
    expect(shown.status).toBe(200);
    const own = await ask(rig.socket, '/v1/vgpus/vm6/screen.png');
    expect(shown.bytes.equals(own.bytes)).toBe(true);
    expect((await put('control/foreground_vm', '0')).status).toBe(204);
    expect((await screen()).status).toBe(404);
  });
});
