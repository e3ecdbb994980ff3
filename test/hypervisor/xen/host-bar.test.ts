import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { hostBar } from '../../../src/hypervisor/xen/index.js';

const NONE = '0x0000000000000000 0x0000000000000000 0x0000000000000000';
const folder = mkdtempSync(join(tmpdir(), 'xengt-bar-'));
mkdirSync(join(folder, '0000:00:05.0'));
writeFileSync(
  join(folder, '0000:00:05.0', 'resource'),
  [
    '0x00000000febf1000 0x00000000febf10ff 0x0000000000040200',
    '0x000000000000c000 0x000000000000c01f 0x0000000000040101',
    '0x0000000840000000 0x000000084fffffff 0x000000000014220c',
    NONE,
    '',
  ].join('\n'),
);
afterAll(() => rmSync(folder, { recursive: true }));

test('a BAR of the host is found by machine frame and size', () => {
  expect(hostBar('0000:00:05.0/2', folder)).toEqual({ mfn: 0x840000, bytes: 256 * 2 ** 20 });
});

test.each([
  ['0000:00:05.0', /not a slot and a BAR/],
  ['0000:00:05.0/6', /not a slot and a BAR/],
  ['0000:00:06.0/2', /0000:00:06\.0\/2: ENOENT/],
  ['0000:00:05.0/0', /no whole pages/],
  ['0000:00:05.0/1', /no memory/],
  ['0000:00:05.0/3', /no memory/],
  ['0000:00:05.0/5', /no memory/],
])('%s is refused', (name, reason) => {
  expect(() => hostBar(name, folder)).toThrow(reason);
});
