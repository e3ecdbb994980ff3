import { join } from 'node:path';
import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { draw } from '../../sim/draw.js';
import { jain, simulate } from '../../sim/engine.js';
import { syntheticLoad } from '../../sim/loads.js';
import { recordedWorkloads } from '../../sim/recorded.js';
import { lines, reportOf } from '../../sim/report.js';
import { recordedScenario, run, SCENARIOS } from '../../sim/scenarios.js';
import { packageInfo } from '../../src/control/package-info.js';
import { createPolicy, PLAIN_SHARE } from '../../src/scheduler/index.js';

const JOURNAL = join(packageInfo().root, 'assets', 'journals', '1-linux-6.1-monitor.xj');

describe('the simulator', () => {
  test('accounts for all of the time', () => {
    for (const scenario of SCENARIOS) {
      const { now, idleNs, switchingNs, clients, windowNs } = run(scenario, 5_000);
      const ran = clients.reduce((sum, client) => sum + client.ranNs, 0);
      expect(ran + idleNs + switchingNs).toBeCloseTo(now, 0);
      for (const { ranNs, windows } of clients) {
        expect(windows.reduce((sum, ns) => sum + (ns ?? 0), 0)).toBeCloseTo(ranNs, 0);
        for (const ns of windows) expect(ns ?? 0).toBeLessThanOrEqual(windowNs);
      }
    }
  });

  test('runs the same again', () => {
    const again = () => JSON.stringify(SCENARIOS.map((scenario) => reportOf(scenario, run(scenario, 2_000))));
    expect(again()).toBe(again());
  });

  test('comes to a hundred thousand slices in less than a second', () => {
    const loads = [1, 2, 4].map((weight, i) =>
      syntheticLoad(`w${weight}`, { ...PLAIN_SHARE, weight }, { ns: [1e5, 9e5] }, i + 1),
    );
    const started = performance.now();
    simulate({ policy: createPolicy('shares'), loads, slices: 100_000 });
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('draws what it reports', () => {
    const reports = SCENARIOS.map((scenario) => reportOf(scenario, run(scenario, 3_000)));
    const { width, height, data } = PNG.sync.read(draw(reports));
    expect(width).toBe(960);
    const colours = new Set<number>();
    for (let at = 0; at < width * height * 4; at += 4) colours.add(data.readUInt32BE(at));
    expect(colours.size).toBeGreaterThan(8);
    for (const report of reports) expect(lines(report)).toContain(report.clients[0]!.name);
  });

  test('plays what a real guest had the render engine do', () => {
    const recorded = recordedWorkloads(JOURNAL);
    expect(recorded.length).toBeGreaterThan(3);
    for (const { ranNs, thinkNs } of recorded) {
      expect(ranNs).toBeGreaterThan(0);
      expect(ranNs).toBeLessThan(1e9);
      expect(thinkNs).toBeGreaterThanOrEqual(0);
    }
    const { clients } = run(recordedScenario('recorded', recorded), 10_000);
    for (const { slices } of clients) expect(slices).toBeGreaterThan(10);
  });
});

test('Jain’s index is 1 for equals and 1/n for one of n', () => {
  expect(jain([3, 3, 3])).toBeCloseTo(1, 12);
  expect(jain([5, 0, 0, 0])).toBeCloseTo(1 / 4, 12);
  expect(jain([1, 2])).toBeCloseTo(0.9, 12);
});
