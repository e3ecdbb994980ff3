import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { platformByName } from '../../src/hw/index.js';
import { MediatorCore } from '../../src/mediator/core.js';
import { MediatorService } from '../../src/mediator/service.js';

const SKL = platformByName('SKL')!;

test('an operator sees who holds which part of the device, and nothing of what was given back', () => {
  const core = new MediatorCore({ platform: SKL, apertureBytes: 2 ** 30 });
  const host = { holder: 'host', lowStartMiB: 0, lowMiB: 128, highStartMiB: 1024, highMiB: 384 };
  const { id } = core.create({ name: 'desk', lowMiB: 64, highMiB: 100, fences: 8, monitor: true });
  expect(core.resources()).toEqual({
    apertureMiB: 1024,
    ggttMiB: 4096,
    fences: 32,
    held: [
      { ...host, fenceStart: 0, fences: 4 },
      {
        holder: 'desk',
        lowStartMiB: 128,
        lowMiB: 64,
        highStartMiB: 1408,
        highMiB: 100,
        fenceStart: 4,
        fences: 8,
      },
    ],
  });
  core.remove(id);
  expect(core.resources().held).toEqual([{ ...host, fenceStart: 0, fences: 4 }]);
});

test('an unplugged monitor is shown as unplugged', () => {
  const service = new MediatorService({ platform: 'SKL', apertureMiB: 1024 }, new Int32Array(1));
  const file = fileURLToPath(new URL('../../assets/journals/1-linux-6.1-monitor.xj', import.meta.url));
  expect(service.vgpus()).toEqual([]);
  const { id, monitor } = service.createVgpu({
    name: 'a',
    transport: { kind: 'replay', file, loop: false },
  });
  expect(monitor).toBe(true);
  service.setMonitor(id, false);
  expect(service.vgpus().map((vgpu) => vgpu.monitor)).toEqual([false]);
  service.stop();
  service.run(() => {});
});
