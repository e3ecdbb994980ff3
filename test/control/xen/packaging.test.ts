/** What is installed in dom0 beside the program says what the program takes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../src/control/config.js';
import { packageInfo } from '../../../src/control/package-info.js';
import { parseRequest } from '../../../src/control/xen/index.js';
import { xengt } from '../rig.js';

const { root } = packageInfo();
const text = (...path: string[]) => readFileSync(join(root, ...path), 'utf8');
const unit = text('packaging', 'xengt.service');
const example = text('packaging', 'guest.cfg');
const manual = text('docs', 'xen-setup.md');

describe('the systemd unit', () => {
  const values = (key: string) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((match) => match[1] ?? '');

  test('starts the daemon with flags that it takes', async () => {
    const [start = ''] = values('ExecStart');
    const [program, command, ...flags] = start.split(' ');
    expect([program, command]).toEqual(['/usr/local/bin/xengt', 'serve']);
    const { out } = await xengt(['serve', '--help']);
    for (const flag of flags.filter((word) => word.startsWith('--'))) expect(out).toContain(flag);
    expect(loadConfig({ xen: flags[flags.indexOf('--xen') + 1] ?? '' }, {}).xen).toBe('on');
  });

  test('has a section, key and value on every line that is no comment', () => {
    const lines = unit.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    for (const line of lines) expect(line).toMatch(/^(\[(Unit|Service|Install)\]|[A-Z][A-Za-z]+=\S.*)$/);
  });

  test("leaves it what it needs: Xen's devices, the folders of socket and state, and code that is made as it runs", () => {
    expect(values('DeviceAllow').sort()).toEqual([
      '/dev/xen/evtchn rw',
      '/dev/xen/gntdev rw',
      '/dev/xen/hypercall rw',
      '/dev/xen/privcmd rw',
    ]);
    expect([values('RuntimeDirectory'), values('StateDirectory')]).toEqual([['xengt'], ['xengt']]);
    expect(values('MemoryDenyWriteExecute')).toEqual([]);
    expect(values('PrivateDevices')).toEqual([]);
  });

  test('comes back after a crash, and is there before guests are started', () => {
    expect(values('Restart')).toEqual(['on-failure']);
    expect(values('RestartPreventExitStatus')).toEqual(['2 5 6']);
    expect(values('Before')).toEqual(['xendomains.service']);
    expect(values('After').join(' ')).toContain('xenstored.service');
  });
});

test('the unit for guests of QEMU starts the daemon with flags that it takes, and not on a Xen host', async () => {
  const other = text('packaging', 'xengt-qemu.service');
  const flags = /^ExecStart=\/usr\/local\/bin\/xengt serve (.*)$/m.exec(other)?.[1]?.split(' ') ?? [];
  const { out } = await xengt(['serve', '--help']);
  for (const flag of flags.filter((word) => word.startsWith('--'))) expect(out).toContain(flag);
  expect(loadConfig({ xen: flags[flags.indexOf('--xen') + 1] ?? '' }, {}).xen).toBe('off');
  expect(other).toContain('ConditionPathExists=!/proc/xen/capabilities');
});

describe.each([
  ['the example of a guest', example],
  ['the manual', manual],
])('%s', (_what, content) => {
  test('asks for a vGPU in words that the daemon takes', () => {
    const requests = [...content.matchAll(/"-xengt", "([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(requests.length).toBeGreaterThan(0);
    for (const request of requests) expect(parseRequest(request, 7, 'desk').transport.kind).toBe('xen');
  });

  test('names the wrapper by the path that it is installed at', () => {
    const paths = [...content.matchAll(/device_model_override = "([^"]+)"/g)].map((match) => match[1]);
    expect(paths).toEqual(['/usr/libexec/xengt/device-model']);
    expect(manual).toContain('packaging/device-model /usr/libexec/xengt/device-model');
  });
});

test('the variables that the manual names are those of program and wrapper', async () => {
  const known =
    (await xengt(['serve', '--help'])).out + text('packaging', 'device-model') + text('src/control/config.ts');
  const named = [...manual.matchAll(/`(XEN(?:GT|STORED)_[A-Z_]+)/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(2);
  for (const name of named) expect(known, name).toContain(name);
});
