/** The metrics, one row each: name, labels, and what of a snapshot it shows. Names are Prometheus' way: base units, `_total`, `_info`. */
import type {
  DeviceResources,
  EngineStats,
  MediatorStats,
  ResourceHolder,
  VgpuEngineTime,
  VgpuStats,
  XenCounts,
} from '../../mediator/api.js';

export type Labels = Readonly<Record<string, string>>;
/** One sample: its labels and its value. */
type Sample = readonly [labels: Labels, value: number];
type Rows = (stats: MediatorStats) => Iterable<Sample>;

export interface Row {
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

const MIB = 2 ** 20;

/** Aperture (low graphics memory), hidden (high) and fences: what each vGPU holds, and what of the device is held and free. */
function resourceRows(): readonly Row[] {
  const holding = (name: string, help: string, value: (holder: ResourceHolder) => number): Row => ({
    name,
    help,
    kind: 'gauge',
    labels: ['vgpu'],
    samples: ({ vgpus, resources }) =>
      resources.held
        .filter(({ holder }) => vgpus.some(({ name: vgpu }) => vgpu === holder))
        .map((held): Sample => [{ vgpu: held.holder }, value(held)]),
  });
  const device = (name: string, help: string, all: (r: DeviceResources) => number, of: (h: ResourceHolder) => number) =>
    ({
      name,
      help,
      kind: 'gauge',
      labels: ['state'],
      *samples({ resources }) {
        const used = resources.held.reduce((sum, holder) => sum + of(holder), 0);
        yield [{ state: 'used' }, used];
        yield [{ state: 'free' }, all(resources) - used];
      },
    }) satisfies Row;
  return [
    holding('xengt_vgpu_aperture_bytes', 'Aperture that a vGPU holds.', ({ lowMiB }) => lowMiB * MIB),
    holding('xengt_vgpu_hidden_bytes', 'Hidden graphics memory that a vGPU holds.', ({ highMiB }) => highMiB * MIB),
    holding('xengt_vgpu_fences', 'Fence registers that a vGPU holds.', ({ fences }) => fences),
    device(
      'xengt_device_aperture_bytes',
      'Aperture of the device, held and free.',
      ({ apertureMiB }) => apertureMiB * MIB,
      ({ lowMiB }) => lowMiB * MIB,
    ),
    device(
      'xengt_device_hidden_bytes',
      'Hidden graphics memory of the device, held and free.',
      ({ ggttMiB, apertureMiB }) => (ggttMiB - apertureMiB) * MIB,
      ({ highMiB }) => highMiB * MIB,
    ),
    device(
      'xengt_device_fences',
      'Fence registers of the device, held and free.',
      ({ fences }) => fences,
      ({ fences }) => fences,
    ),
  ];
}

export function rows(version: string): readonly Row[] {
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
      'xengt_vgpu_switches_total',
      'counter',
      'Times that an engine was handed over to a vGPU from another.',
      (time) => time.switches,
    ),
    perVgpuEngine(
      'xengt_vgpu_preemptions_total',
      'counter',
      'Times that work of a vGPU was taken off an engine before its end, to be gone on with later.',
      (time) => time.breaks,
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
    perVgpuEngine(
      'xengt_vgpu_longest_run_seconds',
      'gauge',
      'The longest that one workload of a vGPU ever kept an engine, preparation included.',
      (time) => time.longestRunSeconds,
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
      name: 'xengt_vgpu_traps_answered_total',
      help: 'Traps by who answered them: the addon alone (plain register reads of Xen guests), or the mediator.',
      kind: 'counter',
      labels: ['vgpu', 'by'],
      *samples(stats) {
        for (const { name: vgpu, trapsAnswered } of stats.vgpus) {
          yield [{ vgpu, by: 'addon' }, trapsAnswered.addon];
          yield [{ vgpu, by: 'mediator' }, trapsAnswered.mediator];
        }
      },
    },
    {
      name: 'xengt_vgpu_resets_total',
      help: 'Resets of a vGPU: of the device by its VMM or at attaching, of engines by its driver.',
      kind: 'counter',
      labels: ['vgpu', 'what'],
      *samples(stats) {
        for (const { name: vgpu, resets } of stats.vgpus) {
          yield [{ vgpu, what: 'device' }, resets.device];
          yield [{ vgpu, what: 'engine' }, resets.engine];
        }
      },
    },
    perVgpu(
      'xengt_vgpu_failsafe_total',
      'counter',
      'Times that a vGPU was lost for what its guest did.',
      (v) => v.timesInFailsafe,
    ),
    ...resourceRows(),
    perEngine('xengt_engine_resets_total', 'Times that the mediator reset the engine.', (e) => e.resets),
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
    perVgpu(
      'xengt_vgpu_scan_bytes_total',
      'counter',
      'Bytes of commands that were scanned or reused.',
      (v) => 4 * v.scan.dwords,
    ),
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
