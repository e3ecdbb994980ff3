/**
 * What Prometheus scrapes. Nothing is counted here: the mediator counts, and one snapshot of its numbers is laid out per
 * scrape. Counters are therefore set to the mediator's totals, which only grow while a vGPU exists.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { EngineStats, MediatorApi, MediatorStats, VgpuEngineTime, VgpuStats, XenCounts } from '../mediator/api.js';

type Labels = Readonly<Record<string, string>>;
/** One sample: its labels and its value. */
type Sample = readonly [labels: Labels, value: number];
type Rows = (stats: MediatorStats) => Iterable<Sample>;

interface Row {
  readonly name: string;
  readonly help: string;
  readonly kind: 'counter' | 'gauge';
  readonly labels: readonly string[];
  readonly samples: Rows;
}

const STATES = ['waiting', 'attached', 'failsafe'] as const satisfies readonly VgpuStats['state'][];

const perEngine = (name: string, help: string, value: (engine: EngineStats) => number): Row => ({
  name,
  help,
  kind: 'counter',
  labels: ['engine'],
  samples: (stats) => stats.engines.map((engine): Sample => [{ engine: engine.name }, value(engine)]),
});

const perVgpu = (name: string, kind: Row['kind'], help: string, value: (vgpu: VgpuStats) => number): Row => ({
  name,
  help,
  kind,
  labels: ['vgpu'],
  samples: (stats) => stats.vgpus.map((vgpu): Sample => [{ vgpu: vgpu.name }, value(vgpu)]),
});

const perVgpuEngine = (
  name: string,
  kind: Row['kind'],
  help: string,
  value: (time: VgpuEngineTime) => number,
): Row => ({
  name,
  help,
  kind,
  labels: ['vgpu', 'vm', 'engine'],
  *samples(stats) {
    for (const { name: vgpu, vm, engineTime } of stats.vgpus) {
      for (const [engine, time] of Object.entries(engineTime)) yield [{ vgpu, vm, engine }, value(time)];
    }
  },
});

const perXen = (name: string, kind: Row['kind'], help: string, value: (counts: XenCounts) => number): Row => ({
  name,
  help,
  kind,
  labels: ['vgpu'],
  *samples(stats) {
    for (const { name: vgpu, xen } of stats.vgpus) if (xen !== null) yield [{ vgpu }, value(xen)];
  },
});

const single = (name: string, kind: Row['kind'], help: string, value: (stats: MediatorStats) => number): Row => ({
  name,
  help,
  kind,
  labels: [],
  samples: (stats) => [[{}, value(stats)]],
});

function rows(version: string): readonly Row[] {
  return [
    {
      name: 'xengt_vgpu_gpu_seconds_total',
      help: 'Time that an engine worked for a vGPU.',
      kind: 'counter',
      labels: ['vgpu', 'vm', 'engine'],
      *samples(stats) {
        for (const { name: vgpu, vm, gpuSeconds } of stats.vgpus) {
          for (const [engine, seconds] of Object.entries(gpuSeconds)) yield [{ vgpu, vm, engine }, seconds];
        }
      },
    },
    perVgpuEngine(
      'xengt_vgpu_switching_seconds_total',
      'counter',
      'Time that an engine was kept for preparing, restoring and saving contexts of a vGPU.',
      (time) => time.switchingSeconds,
    ),
    perVgpuEngine(
      'xengt_vgpu_waiting_seconds_total',
      'counter',
      'Time that work of a vGPU waited for an engine.',
      (time) => time.waits.seconds,
    ),
    perVgpuEngine(
      'xengt_vgpu_waits_total',
      'counter',
      'Times that work of a vGPU was taken up by an engine.',
      (time) => time.waits.count,
    ),
    perVgpuEngine(
      'xengt_vgpu_longest_wait_seconds',
      'gauge',
      'The longest that work of a vGPU ever waited for an engine.',
      (time) => time.waits.longestSeconds,
    ),
    {
      name: 'xengt_vgpu_traps_total',
      help: 'Guest accesses that were trapped and answered.',
      kind: 'counter',
      labels: ['vgpu', 'space', 'op'],
      *samples(stats) {
        for (const { name: vgpu, traps } of stats.vgpus) {
          for (const [space, { read, write }] of Object.entries(traps)) {
            yield [{ vgpu, space, op: 'read' }, read];
            yield [{ vgpu, space, op: 'write' }, write];
          }
        }
      },
    },
    {
      name: 'xengt_workloads_total',
      help: 'Submitted contexts by how they ended.',
      kind: 'counter',
      labels: ['vgpu', 'engine', 'result'],
      *samples(stats) {
        for (const { name: vgpu, workloads } of stats.vgpus) {
          for (const [engine, results] of Object.entries(workloads)) {
            for (const [result, count] of Object.entries(results)) yield [{ vgpu, engine, result }, count];
          }
        }
      },
    },
    {
      name: 'xengt_vgpu_refusals_total',
      help: 'Guest actions that were refused, by the rule that they broke.',
      kind: 'counter',
      labels: ['vgpu', 'rule'],
      *samples(stats) {
        for (const { name: vgpu, refusals } of stats.vgpus) {
          for (const [rule, count] of Object.entries(refusals)) yield [{ vgpu, rule }, count];
        }
      },
    },
    {
      name: 'xengt_vgpu_scan_verdicts_total',
      help: 'Copied batches by how their verdict was found: one that was kept, or judged anew.',
      kind: 'counter',
      labels: ['vgpu', 'result'],
      *samples(stats) {
        for (const { name: vgpu, scan } of stats.vgpus) {
          yield [{ vgpu, result: 'reused' }, scan.reused];
          yield [{ vgpu, result: 'judged' }, scan.judged];
        }
      },
    },
    {
      name: 'xengt_vgpu_copied_bytes_total',
      help: 'Bytes that were copied for workloads: of context images in and out, of rings, of batches.',
      kind: 'counter',
      labels: ['vgpu', 'what'],
      *samples(stats) {
        for (const { name: vgpu, copied } of stats.vgpus) {
          yield [{ vgpu, what: 'context-in' }, copied.contextIn];
          yield [{ vgpu, what: 'context-out' }, copied.contextOut];
          yield [{ vgpu, what: 'ring' }, copied.ring];
          yield [{ vgpu, what: 'batch' }, copied.batches];
        }
      },
    },
    perVgpu('xengt_vgpu_scan_verdict_bytes', 'gauge', 'Bytes of kept verdicts.', (v) => v.scan.verdictBytes),
    perVgpu(
      'xengt_vgpu_scan_commands_total',
      'counter',
      'Commands that were scanned or reused.',
      (v) => v.scan.commands,
    ),
    perVgpu('xengt_vgpu_scan_dwords_total', 'counter', 'Dwords that were scanned or reused.', (v) => v.scan.dwords),
    {
      name: 'xengt_vgpu_xen_requests_total',
      help: 'Requests of a Xen guest by who answered them: the addon alone (plain register reads), or the mediator.',
      kind: 'counter',
      labels: ['vgpu', 'by'],
      *samples(stats) {
        for (const { name: vgpu, xen } of stats.vgpus) {
          if (xen === null) continue;
          yield [{ vgpu, by: 'addon' }, xen.plainReads];
          yield [{ vgpu, by: 'mediator' }, xen.requests - xen.plainReads];
        }
      },
    },
    {
      name: 'xengt_vgpu_xen_refusals_total',
      help: 'Requests of a Xen guest that were answered, but not as the guest meant them, by rule.',
      kind: 'counter',
      labels: ['vgpu', 'rule'],
      *samples(stats) {
        for (const { name: vgpu, xen } of stats.vgpus) {
          for (const [rule, count] of Object.entries(xen?.refusals ?? {})) yield [{ vgpu, rule }, count];
        }
      },
    },
    perXen(
      'xengt_vgpu_xen_table_writes_total',
      'counter',
      'Writes of a Xen guest to its page tables that were trapped.',
      (x) => x.trackedWrites,
    ),
    perXen(
      'xengt_vgpu_xen_protected_frames',
      'gauge',
      'Page tables of a Xen guest whose writes are trapped.',
      (x) => x.protectedFrames,
    ),
    perXen(
      'xengt_vgpu_xen_given_up_frames',
      'gauge',
      'Page tables of a Xen guest that are compared at submission because they are written often.',
      (x) => x.givenUpFrames,
    ),
    perXen(
      'xengt_vgpu_xen_given_up_total',
      'counter',
      'Times that a page table of a Xen guest was no longer protected because it was written often.',
      (x) => x.timesGivenUp,
    ),
    perXen(
      'xengt_vgpu_xen_windows_mapped_total',
      'counter',
      'Windows of a Xen guest’s memory that were mapped.',
      (x) => x.windowsMapped,
    ),
    {
      name: 'xengt_vgpu_state',
      help: '1 for the state that the vGPU is in, 0 for the others.',
      kind: 'gauge',
      labels: ['vgpu', 'vm', 'state'],
      *samples(stats) {
        for (const { name: vgpu, vm, state: now } of stats.vgpus) {
          for (const state of STATES) yield [{ vgpu, vm, state }, state === now ? 1 : 0];
        }
      },
    },
    {
      name: 'xengt_build_info',
      help: 'Version of xengt and of Node, and the platform of the GPU; always 1.',
      kind: 'gauge',
      labels: ['version', 'node', 'platform'],
      samples: ({ platform }) => [[{ version, node: process.version, platform }, 1]],
    },
    perVgpu('xengt_vgpu_unknown_registers', 'gauge', 'Registers touched that have no row.', (v) => v.unknownRegisters),
    perVgpu('xengt_vgpu_shadow_pages', 'gauge', 'Pages that hold shadow page tables.', (v) => v.shadowPages),
    perVgpu('xengt_vgpu_interrupts_total', 'counter', 'Interrupts injected into the guest.', (v) => v.interrupts),
    perVgpu('xengt_vgpu_frames_total', 'counter', 'Frames that the virtual display has shown.', (v) => v.frames),
    perEngine('xengt_engine_busy_seconds_total', 'Time that the engine worked for vGPUs.', (e) => e.busySeconds),
    perEngine('xengt_engine_idle_seconds_total', 'Time that the engine had nothing to do.', (e) => e.idleSeconds),
    perEngine('xengt_engine_switching_seconds_total', 'Time that switching took.', (e) => e.switchingSeconds),
    perEngine('xengt_engine_seconds_total', 'Time since the engine was taken over.', (e) => e.totalSeconds),
    {
      name: 'xengt_device_faults_total',
      help: 'Faults of the device that were made good: completions of which nothing was heard, work that was done anew.',
      kind: 'counter',
      labels: ['kind'],
      *samples({ deviceFaults }) {
        yield [{ kind: 'lost-event' }, deviceFaults.lostEvents];
        yield [{ kind: 'resubmitted' }, deviceFaults.resubmitted];
      },
    },
    single(
      'xengt_isolation_violations_total',
      'counter',
      'Accesses of the GPU to memory of somebody else.',
      (stats) => stats.isolationViolations,
    ),
    single('xengt_unanswered_traps_total', 'counter', 'Traps that got no answer.', (stats) => stats.unansweredTraps),
    single('xengt_uptime_seconds', 'gauge', 'Time since the mediator started.', (stats) => stats.uptimeSeconds),
  ];
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #mediator: MediatorApi;
  /** The snapshot that the scrape under way shows. */
  #stats: Promise<MediatorStats> | undefined;
  #scrape: Promise<string> | undefined;

  constructor(mediator: MediatorApi, version: string) {
    this.#mediator = mediator;
    for (const row of rows(version)) this.#add(row);
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. Scrapes at the same time share one. */
  scrape(): Promise<string> {
    this.#scrape ??= this.#collect().finally(() => {
      this.#scrape = undefined;
    });
    return this.#scrape;
  }

  async #collect(): Promise<string> {
    const snapshot = this.#mediator.stats();
    this.#stats = snapshot;
    await snapshot;
    return this.#registry.metrics();
  }

  #add(row: Row): void {
    const snapshot = () => this.#stats;
    const common = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [this.#registry] };
    if (row.kind === 'counter') {
      new Counter({
        ...common,
        async collect() {
          const stats = await snapshot();
          if (stats === undefined) return;
          this.reset();
          // Idle time is a difference of floats and may come out as -1e-12: such a total is nothing, not a step back.
          for (const [labels, value] of row.samples(stats)) this.inc(labels, Math.max(0, value));
        },
      });
    } else {
      new Gauge({
        ...common,
        async collect() {
          const stats = await snapshot();
          if (stats === undefined) return;
          this.reset();
          for (const [labels, value] of row.samples(stats)) this.set(labels, value);
        },
      });
    }
  }
}
