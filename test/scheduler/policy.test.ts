/** What the policies promise, held to it in simulation: shares and caps over each second, and the longest wait. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { simulate } from '../../sim/engine.js';
import { type Load, type LoadShape, syntheticLoad } from '../../sim/loads.js';
import {
  bucketNs,
  createPolicy,
  LEAST_STAY_NS,
  PERIOD_NS,
  PLAIN_SHARE,
  type PolicyName,
  type SchedulingPolicy,
  type Share,
  STARVED_NS,
} from '../../src/scheduler/index.js';

const MS = 1e6;
const SECOND = 1e9;
const share = (part: Partial<Share>): Share => ({ ...PLAIN_SHARE, ...part });

/** Parts of each whole second, by client. */
function parts(windows: readonly (readonly number[])[], seconds: number): number[][] {
  return Array.from({ length: seconds }, (_, second) => windows.map((client) => (client[second] ?? 0) / SECOND));
}

describe('time slices', () => {
  const SHAPES: readonly (readonly [string, LoadShape])[] = [
    ['short workloads, always two queued', { ns: [50e3, 200e3] }],
    ['workloads of a frame’s length in part', { ns: [0.5 * MS, 3 * MS] }],
    ['one workload at a time, submitted when the last is done', { ns: [100e3, 900e3], depth: 1, thinkNs: 60e3 }],
  ];
  const WEIGHTS = [
    [1, 2],
    [1, 2, 4],
    [1, 2, 4, 1, 2, 4, 1],
    [2, 2, 2, 2, 2, 2, 2],
    [1, 255],
  ];
  for (const [name, shape] of SHAPES) {
    // One of very many shares is back too late now and then, and what another runs meanwhile is nobody's share.
    const tried = shape.thinkNs === undefined ? WEIGHTS : WEIGHTS.slice(0, -1);
    test.each(tried.map((weights) => [weights] as const))(
      `give weights %j their shares within 1 % over each second: ${name}`,
      (weights) => {
        const loads = weights.map((weight, i) => syntheticLoad(`w${i}`, share({ weight }), shape, i + 1));
        const seconds = 20;
        const { clients, idleNs, switchingNs } = simulate({
          policy: createPolicy('shares'),
          loads,
          submitNs: 5e3,
          switchNs: 20e3,
          ns: (seconds + 1) * SECOND,
        });
        const sum = weights.reduce((a, b) => a + b, 0);
        const given = parts(
          clients.map((client) => client.windows),
          seconds,
        );
        // The first second is that in which think times are learned.
        for (const second of given.slice(1)) {
          const all = second.reduce((a, b) => a + b, 0);
          second.forEach((part, i) => {
            expect(Math.abs(part / all - weights[i]! / sum)).toBeLessThan(0.01);
          });
        }
        expect(idleNs + switchingNs).toBeLessThan(0.35 * seconds * SECOND);
      },
    );
  }

  test('leave nothing idle while somebody has work, and let nobody save up', () => {
    const loads = [
      syntheticLoad('busy', share({}), { ns: [MS, MS] }, 1),
      syntheticLoad('seldom', share({}), { ns: [MS, MS], depth: 1, thinkNs: 400 * MS }, 2),
    ];
    const { clients, idleNs, now } = simulate({ policy: createPolicy('shares'), loads, ns: 20 * SECOND });
    expect(idleNs).toBeLessThan(0.001 * now);
    expect(clients[1]!.waits.percentile(100)).toBeLessThan(PERIOD_NS);
  });

  test.each([
    ['that runs to its end', false],
    ['that is broken off', true],
  ])('keep no vGPU waiting longer than docs/scheduler.md proves, with work %s', (_which, breaksOff) => {
    const client = fc.record({
      weight: fc.integer({ min: 1, max: 16 }),
      low: fc.integer({ min: 1_000, max: 1_000_000 }),
      more: fc.integer({ min: 0, max: 20_000_000 }),
      depth: fc.integer({ min: 1, max: 8 }),
      thinkNs: fc.constantFrom(0, 50_000, 1_000_000, 40_000_000),
    });
    const costs = fc.record({ submitNs: fc.integer({ min: 0, max: 300_000 }), switchNs: fc.nat(500_000) });
    fc.assert(
      fc.property(fc.array(client, { minLength: 2, maxLength: 7 }), costs, (all, { submitNs, switchNs }) => {
        const loads = all.map(({ weight, low, more, depth, thinkNs }, i) =>
          syntheticLoad(`c${i}`, share({ weight }), { ns: [low, low + more], depth, thinkNs }, i + 7),
        );
        const policy = createPolicy('shares');
        const { clients } = simulate({ policy, loads, submitNs, switchNs, breaksOff, slices: 3_000 });
        const weights = all.reduce((sum, { weight }) => sum + weight, 0);
        const slice = all.map(({ weight }) => (PERIOD_NS * weight) / weights);
        const stretch = (runs: number, i: number): number =>
          breaksOff ? Math.min(runs, Math.max(LEAST_STAY_NS, slice[i]!)) : runs;
        const longest = all.map(({ low, more }, i) => stretch(low + more, i) + submitNs + switchNs);
        clients.forEach(({ waits }, i) => {
          const rounds = Math.min(125, Math.floor((longest[i]! + PERIOD_NS / 4) / slice[i]!)) + 1;
          let bound = 0;
          for (let j = 0; j < all.length; j++) if (j !== i) bound += 2 * ((rounds + 2) * slice[j]! + longest[j]!);
          expect(waits.percentile(100)).toBeLessThanOrEqual(bound);
        });
      }),
      { numRuns: 200 },
    );
  });

  test('hold nothing against a vGPU that it ran while nobody else wanted the engine', () => {
    const policy = createPolicy('shares');
    policy.add(1, share({ weight: 1 }), 0);
    policy.add(2, share({ weight: 7 }), 0);
    policy.ready(1, 0);
    expect(policy.pick(0)).toBe(1);
    policy.ready(2, 50 * MS);
    policy.charge(1, 50 * MS, 50 * MS, 50 * MS);
    const turns = Array.from({ length: 24 }, (_, i) => {
      const now = (50 + i) * MS;
      const id = policy.pick(now);
      policy.charge(id, MS, MS, now + MS);
      return id;
    });
    // As if both had just come: one in eight.
    expect(turns.filter((id) => id === 1)).toHaveLength(3);
    expect(turns.slice(0, 9)).toContain(1);
  });

  test('let a vGPU that hung an engine for seconds have its turn again within one', () => {
    const lengths = [10 * SECOND];
    const hanging = { ...syntheticLoad('hung', share({}), { ns: [MS, MS] }, 1), length: () => lengths.pop() ?? MS };
    const loads = [hanging, syntheticLoad('other', share({}), { ns: [MS, MS] }, 2)];
    const { clients } = simulate({ policy: createPolicy('shares'), loads, ns: 16 * SECOND });
    const [hung] = clients.map((client) => client.windows);
    expect(hung!.slice(0, 10).every((ns) => ns > 0.99 * SECOND)).toBe(true);
    expect(hung![12]! / SECOND).toBeCloseTo(0.5, 2);
  });

  test('put a new weight in force in the next period', () => {
    const policy = createPolicy('shares');
    const loads = [1, 1].map((weight, i) => syntheticLoad(`w${i}`, share({ weight }), { ns: [100e3, 100e3] }, i + 1));
    let changed = false;
    const windowNs = 10 * PERIOD_NS;
    const { clients } = simulate({
      policy,
      loads,
      ns: 4 * windowNs,
      windowNs,
      meanwhile: (now) => {
        if (changed || now < 2 * windowNs - PERIOD_NS) return;
        changed = true;
        policy.change(2, share({ weight: 4 }));
      },
    });
    const [a, b] = clients.map((client) => client.windows);
    expect(a![0]! / b![0]!).toBeCloseTo(1, 1);
    expect(b![2]! / a![2]!).toBeGreaterThan(3.7);
    expect(b![2]! / a![2]!).toBeLessThan(4.3);
  });
});

describe('a cap', () => {
  test.each([
    ['alone on the engine', 0, [5, 25, 50, 90]],
    ['beside two that want all', 2, [10, 20]],
  ] as const)('%s is not exceeded by 1 % in any second, and is reached', (_name, others, caps) => {
    for (const cap of caps) {
      for (const [low, high] of [
        [50e3, 300e3],
        [MS, 4 * MS],
      ] as const) {
        const loads = [
          syntheticLoad('capped', share({ cap, weight: 4 }), { ns: [low, high] }, cap),
          ...Array.from({ length: others }, (_, i) =>
            syntheticLoad(`free${i}`, share({}), { ns: [MS, 2 * MS] }, i + 50),
          ),
        ];
        const { clients } = simulate({ policy: createPolicy('shares'), loads, switchNs: 20e3, ns: 20 * SECOND });
        for (const [part] of parts([clients[0]!.windows], 20)) {
          expect(part!).toBeLessThan(cap / 100 + 0.01);
          expect(part!).toBeGreaterThan(cap / 100 - 0.015);
        }
      }
    }
  });

  test('bounds what a vGPU has in any time, whatever it does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.integer({ min: 10_000, max: 5_000_000 }),
        fc.constantFrom(0, 10_000, 3_000_000, 200_000_000),
        fc.constantFrom('shares', 'priority'),
        (cap, longest, thinkNs, name) => {
          const load = syntheticLoad('capped', share({ cap }), { ns: [1_000, longest], depth: 3, thinkNs }, cap);
          const windowNs = 20 * MS;
          const { clients } = simulate({ policy: createPolicy(name), loads: [load], slices: 2_000, windowNs });
          const most = (windowNs * cap) / 100 + bucketNs(cap / 100) + longest;
          for (const ran of clients[0]!.windows) expect(ran ?? 0).toBeLessThanOrEqual(most * (1 + 1e-9));
        },
      ),
    );
  });

  test('keeps nobody back for longer than two seconds, whatever was run, and lifted lets go at once', () => {
    const policy = createPolicy('shares');
    const lengths = [5 * SECOND];
    const load = {
      ...syntheticLoad('capped', share({ cap: 1 }), { ns: [MS, MS] }, 1),
      length: () => lengths.pop() ?? MS,
    };
    const { clients } = simulate({ policy, loads: [load], ns: 8 * SECOND });
    expect(clients[0]!.waits.percentile(100)).toBeLessThanOrEqual(2 * SECOND);
    policy.change(1, share({ cap: 50 }));
    const kept = 8.001 * SECOND;
    policy.ready(1, kept);
    policy.charge(1, SECOND, SECOND, kept);
    expect(policy.due(kept) - kept).toBeLessThanOrEqual(PERIOD_NS);
  });

  test('that is lifted gives the vGPU the engine again in the next period', () => {
    const policy = createPolicy('shares');
    const loads = [syntheticLoad('capped', share({ cap: 10 }), { ns: [MS, MS] }, 1)];
    let lifted = false;
    const { clients } = simulate({
      policy,
      loads,
      ns: 4 * SECOND,
      meanwhile: (now) => {
        if (lifted || now < 2 * SECOND) return;
        lifted = true;
        policy.change(1, share({}));
      },
    });
    const [ran] = clients.map((client) => client.windows);
    expect(ran![1]! / SECOND).toBeCloseTo(0.1, 1);
    expect(ran![3]! / SECOND).toBeCloseTo(1, 2);
  });
});

/** A policy whose vGPUs have been there for long. */
function settled(name: PolicyName, loads: readonly Load[], count = loads.length): SchedulingPolicy {
  const policy = createPolicy(name);
  for (let i = 0; i < count; i++) policy.add(i + 1, loads[i]!.share, -10 * SECOND);
  const add = policy.add.bind(policy);
  policy.add = (vgpu, what, now) => {
    if (vgpu > count) add(vgpu, what, now);
  };
  return policy;
}

describe('strict priority', () => {
  const load = (name: string, priority: number, shape: LoadShape, seed: number) =>
    syntheticLoad(name, share({ priority }), shape, seed);

  test('runs the higher whenever it has work, and the lower in what is left', () => {
    const loads = [
      load('high', 5, { ns: [MS, MS], depth: 1, thinkNs: 4 * MS }, 1),
      load('low', 0, { ns: [100e3, 100e3] }, 2),
    ];
    const { clients, idleNs } = simulate({ policy: settled('priority', loads), loads, ns: 20 * SECOND });
    expect(clients[0]!.waits.percentile(100)).toBeLessThanOrEqual(110e3);
    expect(clients[1]!.ranNs).toBeGreaterThan(0.7 * 20 * SECOND);
    expect(idleNs).toBeLessThan(0.02 * 20 * SECOND);
  });

  test('leaves nobody without a turn for longer than a guest takes for a hang', () => {
    const loads = [load('high', 15, { ns: [5 * MS, 5 * MS] }, 1), load('low', 0, { ns: [MS, MS] }, 2)];
    const { clients } = simulate({ policy: settled('priority', loads), loads, ns: 30 * SECOND });
    expect(clients[1]!.slices).toBeGreaterThan(15);
    expect(clients[1]!.waits.percentile(100)).toBeLessThanOrEqual(STARVED_NS + 5 * MS);
    expect(clients[0]!.ranNs).toBeGreaterThan(0.99 * 30 * SECOND);
  });

  test('lets who has just begun go first for two seconds, whatever its priority', () => {
    const loads = [load('old', 9, { ns: [100e3, 100e3] }, 1), load('new', 0, { ns: [100e3, 100e3] }, 2)];
    const policy = settled('priority', loads, 1);
    const { clients } = simulate({ policy, loads, ns: 5 * SECOND, windowNs: SECOND / 2 });
    const [old, young] = clients.map((client) => client.windows);
    expect(young!.slice(0, 3).every((ns) => ns > 0.9 * (SECOND / 2))).toBe(true);
    expect(old!.slice(5, 9).every((ns) => ns > 0.9 * (SECOND / 2))).toBe(true);
  });

  test('shares among equals by weight', () => {
    const loads = [1, 3].map((weight, i) =>
      syntheticLoad(`w${i}`, share({ weight, priority: 3 }), { ns: [100e3, 300e3] }, i + 1),
    );
    const { clients } = simulate({ policy: createPolicy('priority'), loads, ns: 20 * SECOND });
    expect(clients[1]!.ranNs / clients[0]!.ranNs).toBeCloseTo(3, 1);
  });
});

test('vGPUs that come and go while others run leave the others their shares', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ at: fc.nat(3000), add: fc.boolean(), id: fc.integer({ min: 3, max: 12 }) })),
      (acts) => {
        for (const name of ['shares', 'priority'] as const) {
          const policy = createPolicy(name);
          const loads = [1, 3].map((weight, i) =>
            syntheticLoad(`w${i}`, share({ weight }), { ns: [100e3, 300e3] }, i + 1),
          );
          const there = new Set<number>();
          const todo = acts.toSorted((a, b) => b.at - a.at);
          const { clients, slices } = simulate({
            policy,
            loads,
            slices: 6_000,
            meanwhile: (now) => {
              for (let act = todo.at(-1); act && act.at * MS <= now; act = todo.at(-1)) {
                todo.pop();
                if (act.add && !there.has(act.id)) {
                  policy.add(act.id, share({ weight: act.id }), now);
                  there.add(act.id);
                } else if (!act.add && there.delete(act.id)) policy.remove(act.id);
              }
            },
          });
          expect(slices).toBe(6_000);
          expect(clients[1]!.ranNs / clients[0]!.ranNs).toBeGreaterThan(2.7);
          expect(clients[1]!.ranNs / clients[0]!.ranNs).toBeLessThan(3.3);
        }
      },
    ),
    { numRuns: 60 },
  );
});
