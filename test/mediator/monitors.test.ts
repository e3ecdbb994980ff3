import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { edidOfMode, edidToHex, parseMode, platformByName } from '../../src/hw/index.js';
import { MediatorCore } from '../../src/mediator/core.js';
import { MediatorService } from '../../src/mediator/service.js';

const WIDE = edidToHex(edidOfMode(parseMode('2560x1440@60')!, 'DP'));
const FILE = fileURLToPath(new URL('../../assets/journals/1-linux-6.1-monitor.xj', import.meta.url));

test('what is plugged into a port is what the operator sees', () => {
  const service = new MediatorService({ platform: 'SKL', apertureMiB: 1024 }, new Int32Array(1));
  const { id, ports } = service.createVgpu({ name: 'a', transport: { kind: 'replay', file: FILE, loop: false } });
  expect(ports.map(({ port, type, connected }) => `${port} ${type} ${connected}`)).toEqual([
    'B DP false',
    'C DP false',
    'D DP true',
  ]);
  service.setPort(id, 'B', { type: 'HDMI', edid: WIDE, connected: true });
  const [b] = service.vgpus()[0]!.ports;
  expect(b).toEqual({
    port: 'B',
    type: 'HDMI',
    connected: true,
    edid: WIDE,
    monitor: 'xengt 2560x14',
    preferred: '2560x1440@60',
    pipe: null,
  });
  expect(() => service.setPort(id, 'B', { edid: `${WIDE.slice(0, -2)}00`, connected: false })).toThrow(
    /^The EDID for port B can not be used: the checksum of block 0 is wrong/,
  );
  expect(service.vgpus()[0]!.ports[0]).toEqual(b);
  service.setMonitor(id, false);
  expect(service.vgpus()[0]!.ports[2]).toMatchObject({ port: 'D', connected: false });
  service.stop();
});

test('a vGPU whose monitor can not be leaves nothing behind', () => {
  const core = new MediatorCore({ platform: platformByName('SKL')!, apertureBytes: 2 ** 30 });
  const before = core.resources();
  const spec = { name: 'a', type: 'V5_8', monitor: true };
  for (const edid of ['00', 'zz', '0'.repeat(256)]) {
    expect(() => core.create({ ...spec, ports: [{ port: 'B', edid }] })).toThrow(
      /^The EDID for port B can not be used/,
    );
  }
  expect(core.resources()).toEqual(before);
  expect(core.create({ ...spec, ports: [{ port: 'B', edid: WIDE, connected: true }] }).vgpu.display.monitor).toBe(true);
});
