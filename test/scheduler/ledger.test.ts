import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EngineLedger, WeightedRoundRobin } from '../../src/scheduler/index.js';

test('engine time adds up whatever the engine did', () => {
  const step = fc.record({ account: fc.integer({ min: -1, max: 4 }), ns: fc.nat(1_000_000) });
  fc.assert(
    fc.property(fc.array(step), fc.nat(1000), (steps, start) => {
      const ledger = new EngineLedger(start);
      let now = start;
      const spent = new Map<number, number>([[0, 0]]);
      let account = 0;
      for (const { account: next, ns } of steps) {
        now += ns;
        spent.set(account, (spent.get(account) ?? 0) + ns);
        ledger.enter(next, now);
        account = next;
      }
      now += 17;
      spent.set(account, (spent.get(account) ?? 0) + 17);
      const totals = ledger.totals(now);
      expect(totals.total).toBeCloseTo((now - start) / 1e9, 12);
      expect(totals.busy + totals.idle + totals.switching).toBeCloseTo(totals.total, 9);
      for (let vgpu = 1; vgpu <= 4; vgpu++) {
        expect(ledger.busySeconds(vgpu, now)).toBeCloseTo((spent.get(vgpu) ?? 0) / 1e9, 9);
      }
    }),
  );
});

/** Runs workloads of given lengths until `total` ns are used. @returns ns by vGPU */
function simulate(weights: number[], lengths: number[], total: number): number[] {
  const policy = new WeightedRoundRobin();
  weights.forEach((weight, i) => {
    policy.add(i + 1, weight);
  });
  const used = weights.map(() => 0);
  for (let now = 0; now < total; ) {
    const vgpu = policy.pick(() => true);
    const ns = lengths[vgpu - 1]!;
    policy.charge(vgpu, ns);
    used[vgpu - 1]! += ns;
    now += ns;
  }
  return used;
}

test.each([
  { weights: [1, 1], lengths: [100_000, 3_000_000] },
  { weights: [2, 4, 8], lengths: [50_000, 5_000_000, 700_000] },
  { weights: [1, 16], lengths: [9_000_000, 10_000] },
])('busy vGPUs share an engine by weight whatever the length of their workloads: $weights', ({ weights, lengths }) => {
  const used = simulate(weights, lengths, 20e9);
  const all = used.reduce((sum, ns) => sum + ns, 0);
  const sum = weights.reduce((a, b) => a + b, 0);
  weights.forEach((weight, i) => {
    expect(used[i]! / all).toBeCloseTo(weight / sum, 2);
  });
});

test('an engine is never left idle while somebody has work, and an idle vGPU saves nothing up', () => {
  const policy = new WeightedRoundRobin();
  policy.add(1, 2);
  policy.add(2, 2);
  for (let i = 0; i < 1000; i++) {
    expect(policy.pick((vgpu) => vgpu === 1)).toBe(1);
    policy.charge(1, 10_000_000);
  }
  const turns = [0, 0, 0];
  for (let i = 0; i < 1000; i++) {
    const vgpu = policy.pick(() => true);
    turns[vgpu]!++;
    policy.charge(vgpu, 1_000_000);
  }
  expect(Math.abs(turns[1]! - turns[2]!)).toBeLessThan(20);
  expect(policy.pick(() => false)).toBe(0);
});
