/** What is shipped for Prometheus and Grafana asks for metrics that are served. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { packageInfo } from '../../src/control/package-info.js';
import { ask, type Rig, startRig } from './rig.js';

const packaging = (...path: string[]) => readFileSync(join(packageInfo().root, 'packaging', ...path), 'utf8');
let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig.stop());

test.each([
  ['the dashboard', packaging('grafana', 'xengt-vms.json')],
  ['the alert rules', packaging('prometheus', 'xengt.rules.yml')],
])('%s knows no metric that is not there', async (_what, text) => {
  const { text: metrics } = await ask(rig.port, '/metrics');
  const served = new Set([...metrics.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
  const asked = [...text.matchAll(/\b((?:xengt|nodejs|process)_[a-z0-9_]+)/g)].map((match) => match[1] ?? '');
  expect(asked.length).toBeGreaterThan(5);
  for (const name of asked) expect(served, name).toContain(name.replace(/_(bucket|sum|count)$/, ''));
});
