/** What the adapter has seen of one guest; plain numbers. Those of the addon are as old as the last `tick()` or `close()`. */

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

const TYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'pio',
  1: 'copy',
  2: 'pci-config',
  7: 'time-offset',
  8: 'invalidate',
};

/** What a Xen guest's adapter did. */
export interface XenCounts {
  /** Requests of the guest's vCPUs, and those that were answered without entering JavaScript: plain register reads. */
  readonly requests: number;
  readonly plainReads: number;
  /** Trapped writes to page tables; their pages that are protected now, and those given up because written often. */
  readonly trackedWrites: number;
  readonly protectedFrames: number;
  readonly givenUpFrames: number;
  /** Times that a page table was given up. */
  readonly timesGivenUp: number;
  /** Windows of the guest's memory that were mapped. */
  readonly windowsMapped: number;
  /** Requests that were answered, but not as the guest meant them, by rule. */
  readonly refusals: Readonly<Record<string, number>>;
}

export class XenCounters {
  /** Requests of the guest's vCPUs, those among them that the addon answered alone, and events without a request. */
  requests = 0;
  plainReads = 0;
  stray = 0;
  /** Requests that TypeScript took from the addon, and answers to them. */
  taken = 0;
  answers = 0;
  /** Of those, requests whose device threw: answered with ones. */
  faults = 0;
  /** By REQUEST_TYPE, of those that came to TypeScript. */
  readonly byType = new Float64Array(16);
  /** Requests for several items at once (REP MOVS), and the items. */
  repeated = 0;
  items = 0;
  invalidations = 0;
  msiInjected = 0;
  msiFailed = 0;
  intxChanges = 0;
  intxFailed = 0;
  /** Changes of trapped address ranges, and those that Xen refused. */
  rangeChanges = 0;
  rangeFailures = 0;
  /** Times that the guest's aperture was mapped into it, and that Xen refused. */
  apertureMaps = 0;
  apertureFailures = 0;
  /** Windows of the guest's memory that were mapped, and calls for them that Xen refused. */
  windowsMapped = 0;
  mapFailures = 0;
  /** Writes to guest page tables that were trapped. */
  trackedWrites = 0;
  /** Page tables whose writes are trapped now, and those that are not because they are written often. */
  protectedFrames = 0;
  givenUpFrames = 0;
  /** Times that a page table was given up, and that Xen refused to protect one. */
  givenUp = 0;
  protectRefused = 0;
  /** Times that the mediator gave up on the guest. */
  failures = 0;
  readonly refusals: Record<XenRule, number>;

  constructor() {
    this.refusals = Object.fromEntries(XEN_RULES.map((rule) => [rule, 0])) as Record<XenRule, number>;
  }

  /** Requests that were taken and not answered. Anything but 0 is a fault of ours. */
  get unanswered(): number {
    return this.taken - this.answers;
  }

  /** Requests by type, those that came at least once to TypeScript. */
  requestsByType(): Record<string, number> {
    const named: Record<string, number> = {};
    this.byType.forEach((count, type) => {
      if (count > 0) named[TYPE_NAMES[type] ?? `type-${type}`] = count;
    });
    return named;
  }

  /** Refusals by rule, those that happened. */
  refusalsByRule(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.refusals).filter(([, count]) => count > 0));
  }
}
