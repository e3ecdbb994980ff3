/** What is simulated: each scenario is a policy and who loads the engine. */
import { createPolicy, PLAIN_SHARE, type PolicyName, type Share } from '../src/scheduler/index.js';
import { type SimResult, simulate } from './engine.js';
import { type Load, type RecordedWorkload, recordedLoad, syntheticLoad } from './loads.js';

const US = 1e3;
const MS = 1e6;

export interface Scenario {
  readonly name: string;
  readonly policy: PolicyName;
  readonly loads: () => Load[];
  /** Work is broken off at the end of its slice, as on Gen9 at the places that its batches have for that. */
  readonly breaksOff?: boolean;
  /** Parts that the clients are meant to get of what is run, where that is a matter of arithmetic. */
  readonly meant?: readonly number[];
}

const share = (part: Partial<Share>): Share => ({ ...PLAIN_SHARE, ...part });

function weighted(name: string, weights: readonly number[], ns: readonly [number, number], thinkNs = 0): Scenario {
  const sum = weights.reduce((a, b) => a + b, 0);
  return {
    name,
    policy: 'shares',
    loads: () =>
      weights.map((weight, i) =>
        syntheticLoad(`weight ${weight}`, share({ weight }), { ns, thinkNs, depth: thinkNs > 0 ? 1 : 2 }, i + 1),
      ),
    meant: weights.map((weight) => weight / sum),
  };
}

export const SCENARIOS: readonly Scenario[] = [
  weighted('two by weight', [1, 2], [100 * US, 900 * US]),
  weighted('three by weight', [1, 2, 4], [100 * US, 900 * US]),
  weighted('seven by weight', [1, 2, 4, 1, 2, 4, 1], [100 * US, 900 * US]),
  weighted('one at a time', [1, 2, 4], [100 * US, 900 * US], 60 * US),
  {
    name: 'long beside short',
    policy: 'shares',
    loads: () => [
      syntheticLoad('short', share({}), { ns: [20 * US, 60 * US], depth: 4 }, 1),
      syntheticLoad('long', share({}), { ns: [2 * MS, 12 * MS] }, 2),
    ],
    meant: [0.5, 0.5],
  },
  {
    name: 'desktop beside compute',
    policy: 'shares',
    loads: () => [
      syntheticLoad('desktop', share({ weight: 2 }), { ns: [MS, 4 * MS], depth: 1, thinkNs: 12 * MS }, 1),
      syntheticLoad('compute', share({ weight: 2 }), { ns: [MS, 4 * MS], depth: 4 }, 2),
    ],
  },
  ...[false, true].map((breaksOff): Scenario => {
    return {
      name: `frames beside seconds, ${breaksOff ? 'broken off' : 'to the end'}`,
      policy: 'shares',
      breaksOff,
      loads: () => [
        syntheticLoad('frames', share({}), { ns: [MS, 3 * MS], depth: 1, thinkNs: 12 * MS }, 1),
        syntheticLoad('seconds', share({}), { ns: [500 * MS, 2000 * MS] }, 2),
      ],
    };
  }),
  {
    name: 'a cap of 30 percent',
    policy: 'shares',
    loads: () => [
      syntheticLoad('cap 30', share({ weight: 8, cap: 30 }), { ns: [100 * US, MS] }, 1),
      syntheticLoad('desktop', share({}), { ns: [MS, 2 * MS], depth: 1, thinkNs: 5 * MS }, 2),
    ],
  },
  {
    name: 'strict priority',
    policy: 'priority',
    loads: () => [
      syntheticLoad('priority 2', share({ priority: 2 }), { ns: [MS, 3 * MS], depth: 1, thinkNs: 6 * MS }, 1),
      syntheticLoad('priority 1', share({ priority: 1 }), { ns: [MS, 3 * MS], depth: 1, thinkNs: 4 * MS }, 2),
      syntheticLoad('priority 0', share({}), { ns: [100 * US, 500 * US] }, 3),
    ],
  },
];

/** A recorded guest three times, by weight, beside one that wants all. */
export function recordedScenario(name: string, recorded: readonly RecordedWorkload[]): Scenario {
  return {
    name,
    policy: 'shares',
    loads: () => [
      ...[1, 2, 4].map((weight) => recordedLoad(`recorded ${weight}`, share({ weight }), recorded)),
      syntheticLoad('greedy', share({}), { ns: [100 * US, MS], depth: 4 }, 9),
    ],
  };
}

/** What taking up a workload costs, of the order of what the benchmarks find. */
export const SUBMIT_NS = 20 * US;
export const SWITCH_NS = 30 * US;

export function run(scenario: Scenario, slices: number): SimResult {
  return simulate({
    policy: createPolicy(scenario.policy),
    loads: scenario.loads(),
    submitNs: SUBMIT_NS,
    switchNs: SWITCH_NS,
    ...(scenario.breaksOff !== undefined && { breaksOff: scenario.breaksOff }),
    slices,
  });
}
