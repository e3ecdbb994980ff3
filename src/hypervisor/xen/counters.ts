/** What the adapter has seen of one guest; plain numbers, kept over detaching. */

/** Requests that were answered, but not as the guest meant them. */
export const XEN_RULES = [
  'xen.outside-bars',
  'xen.bar-edge',
  'xen.port',
  'xen.request-size',
  'xen.request-type',
  'xen.pointer-memory',
  'xen.config-device',
] as const;
export type XenRule = (typeof XEN_RULES)[number];

export class XenCounters {
  attaches = 0;
  detaches = 0;
  /** Requests of ended guests, and those answered by the addon alone. */
  requestsBefore = 0;
  plainBefore = 0;
  strayBefore = 0;
  /** By REQUEST_TYPE, of those that came to TypeScript. */
  readonly byType = new Float64Array(16);
  /** Requests for several items at once (REP MOVS), and the items. */
  repeated = 0;
  items = 0;
  invalidations = 0;
  msiInjected = 0;
  msiFailed = 0;
  intxFailed = 0;
  /** Changes of trapped address ranges, and those that Xen refused. */
  rangeChanges = 0;
  rangeFailures = 0;
  /** Writes to guest page tables that were trapped. */
  trackedWrites = 0;
  readonly refusals: Record<XenRule, number>;

  constructor() {
    this.refusals = Object.fromEntries(XEN_RULES.map((rule) => [rule, 0])) as Record<XenRule, number>;
  }
}
