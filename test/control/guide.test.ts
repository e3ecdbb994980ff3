import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageInfo } from '../../src/control/package-info.js';
import { ask, type Rig, startRig, xengt } from './rig.js';

const guide = readFileSync(join(packageInfo().root, 'docs', 'operator-guide.md'), 'utf8');
let rig: Rig;
beforeAll(async () => {
  rig = await startRig({ vgpus: [{ name: 'a', transport: { kind: 'replay', file: '/a.xj', loop: true } }] });
});
afterAll(() => rig.stop());

test("the operator's guide names every metric that is served, and no other", async () => {
  const { text } = await ask(rig.port, '/metrics');
  const served = [...text.matchAll(/^# TYPE (xengt_\S+)/gm)].map((match) => match[1]);
  const named = [...guide.matchAll(/`(xengt_[a-z_]+)`/g)].map((match) => match[1]);
  expect([...new Set(named)].sort()).toEqual(served.sort());
});

test('the flags, commands and variables in the guide are those of the program', async () => {
  const { out } = await xengt(['serve', '--help']);
  const known = out + (await xengt(['--help'])).out;
  for (const [, flag] of guide.matchAll(/^\| `\w+` \| `(--[a-z-]+)`/gm)) expect(known, flag).toContain(flag);
  for (const [, variable] of guide.matchAll(/`(XENGT_(?!E_)[A-Z_]+)`/g)) expect(known, variable).toContain(variable);
});

test('every GET of the guide is served over TCP', async () => {
  const paths = [...guide.matchAll(/^\| `GET (\S+)`/gm)].map((match) => (match[1] ?? '').replace(':id', 'a'));
  expect(paths.length).toBeGreaterThan(8);
  for (const path of paths) expect((await ask(rig.port, path)).status, path).toBe(200);
});
