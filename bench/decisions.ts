/**
 * Whose turn it is: a decision of the policy and what is told to it around one workload, for seven vGPUs that all have work. The
 * baseline is a round robin that knows nothing of time.
 */
import { createPolicy, PLAIN_SHARE, type PolicyName } from '../src/scheduler/index.js';
import { compare, type Effort, type Table } from './measure.js';

const CLIENTS = 7;
const WORKLOAD_NS = 300_000;

function policy(name: PolicyName, cap: number): (count: number) => number {
  const decide = createPolicy(name);
  let now = 0;
  for (let id = 1; id <= CLIENTS; id++) {
    decide.add(id, { ...PLAIN_SHARE, weight: id, priority: id % 3, cap }, now);
    decide.ready(id, now);
  }
  return (count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const id = decide.pick(now);
      now += WORKLOAD_NS;
      if (id === 0) continue;
      sum += id;
      decide.idle(id, now - WORKLOAD_NS);
      decide.ready(id, now);
      decide.charge(id, WORKLOAD_NS, WORKLOAD_NS, now);
    }
    return sum;
  };
}

function roundRobin(): (count: number) => number {
  const ready = new Uint8Array(CLIENTS).fill(1);
  let at = 0;
  return (count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) {
      do at = (at + 1) % CLIENTS;
      while (ready[at] === 0);
      sum += at;
    }
    return sum;
  };
}

export function decisions(effort: Effort): Table {
  return compare(
    [{ label: 'round robin of seven', loop: roundRobin() }],
    [
      { label: 'time slices', loop: policy('shares', 100) },
      { label: 'time slices, all capped at 12 %', loop: policy('shares', 12) },
      { label: 'strict priority', loop: policy('priority', 100) },
    ],
    effort,
  );
}
