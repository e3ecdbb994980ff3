/** Who runs next: the policies, behind one interface. */
import { Capped } from './capped.js';
import type { SchedulingPolicy } from './contract.js';
import { StrictPriority } from './priority.js';
import { PERIOD_NS, TimeSlices } from './time-slices.js';

export { bucketNs, Capped } from './capped.js';
export {
  LEAST_STAY_NS,
  MOST_PRIORITY,
  MOST_WEIGHT,
  NO_CAP,
  PLAIN_SHARE,
  price,
  type SchedulingPolicy,
  type Share,
} from './contract.js';
export { START_BOOST_NS, STARVED_NS, StrictPriority } from './priority.js';
export { PERIOD_NS, TimeSlices } from './time-slices.js';

export const POLICY_NAMES = ['shares', 'priority'] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];

/** A policy as a device is run by: caps hold under each. */
export function createPolicy(name: PolicyName, periodNs = PERIOD_NS): SchedulingPolicy {
  return new Capped(name === 'priority' ? new StrictPriority(periodNs) : new TimeSlices(periodNs), periodNs);
}
