/**
 * The mediator without threads and sockets: a device, an arbiter, vGPUs, and a clock that stands still during an event.
 * Everything outside moves it by three means: a vGPU's traps, advance(), and the operator's calls.
 */
import { type Clock, NS_PER_S, VirtualClock, XengtError } from '../base/index.js';
import { MAX_OWNER, ModelGpu } from '../gpu/index.js';
import {
  EDIDS,
  ENGINES,
  type Grant,
  type MonitorSetup,
  type Platform,
  REGISTER_ROWS,
  SMALLEST_HIGH_MIB,
  SMALLEST_LOW_MIB,
  VGPU_PLATFORMS,
  type VgpuType,
} from '../hw/index.js';
import type { Policy } from '../mmio/index.js';
import {
  Arbiter,
  type HangLimits,
  MOST_WEIGHT,
  PLAIN_SHARE,
  type PolicyName,
  type ScanProcesses,
  type Share,
} from '../scheduler/index.js';
import {
  MAX_SHADOW_PAGES,
  type PageTables,
  Partition,
  type PartitionSlice,
  resolveType,
  TRAP_KINDS,
  Vgpu,
  vgpuTypes,
} from '../vgpu/index.js';
import type {
  DeviceResources,
  EngineStats,
  MediatorStats,
  ResourceHolder,
  Timelines,
  TrapsAnswered,
  TypeInfo,
  UnknownRegister,
  VgpuEngineTime,
  VgpuSnapshot,
  VgpuStats,
  XenCounts,
} from './api.js';
import { hangLimitsOf } from './hang-limits.js';
import { rulesOf } from './platform-rules.js';
import { outputOf } from './ports.js';
import { snapshotOf } from './snapshot.js';
import { NO_TRAP_TIMES, type TrapTimes } from './trap-times.js';

export interface CoreOptions {
  readonly platform: Platform;
  readonly apertureBytes: number;
  /** Real time, for the accounts; left out where time is virtual. */
  readonly realTime?: Clock;
  /** Default: 'shares'. */
  readonly policy?: PolicyName;
  /** For all vGPUs, instead of those of their types. */
  readonly hangLimits?: HangLimits;
  /** Test switch, see ArbiterOptions. */
  readonly skipGgttAudit?: boolean;
}

export interface NewVgpu {
  readonly name: string;
  readonly vm?: string | undefined;
  readonly type?: string | undefined;
  readonly lowMiB?: number | undefined;
  readonly highMiB?: number | undefined;
  readonly fences?: number | undefined;
  readonly weight?: number | undefined;
  readonly cap?: number | undefined;
  readonly priority?: number | undefined;
  readonly monitor: boolean;
  /** What is plugged into its ports besides, or instead. */
  readonly ports?: readonly MonitorSetup[] | undefined;
  /** Default: 'needed'. */
  readonly scanProcesses?: ScanProcesses | undefined;
  /** Default: 'auto'. */
  readonly pageTables?: PageTables | undefined;
  /** Exactly this part of the device, as a journal needs it. */
  readonly grant?: Grant | undefined;
}

/** A vGPU and what the operator knows it by. */
export interface Member {
  readonly id: number;
  readonly name: string;
  readonly vm: string;
  readonly type: string;
  readonly vgpu: Vgpu;
  readonly slice: PartitionSlice;
  /** What the operator gives it of the engines, now. */
  share: Share;
}

const MIB = 1024 * 1024;
const GGTT_ENTRY_SPACE = 4096;
/** Rounds of device and arbiter in one advance: each round ends or starts workloads; the rest follows in the next. */
const MAX_ROUNDS = 64;
const NO_WORK: Readonly<Record<string, Readonly<Record<string, number>>>> = {};

/** Counted by who stands between a guest and the core. */
export interface CountedOutside {
  /** Null for guests of other hypervisors. */
  readonly xen: XenCounts | null;
  readonly trapTimes: TrapTimes;
}

const NOTHING_OUTSIDE: CountedOutside = { xen: null, trapTimes: NO_TRAP_TIMES };

export class MediatorCore {
  readonly clock = new VirtualClock();
  readonly gpu: ModelGpu;
  readonly arbiter: Arbiter;
  readonly members = new Map<number, Member>();
  readonly platform: Platform;
  readonly #realTime: Clock;
  readonly #policy: Policy<Vgpu>;
  readonly #partition: Partition;
  readonly #started: number;
  readonly #sameHangLimits: boolean;
  #lastId = 0;

  constructor(options: CoreOptions) {
    const { platform, apertureBytes } = options;
    if (!platform.hostsVgpus) {
      const hosts = VGPU_PLATFORMS.map(({ name }) => name).join(', ');
      throw new XengtError(
        'XENGT_E_CONFIG',
        `platform: ${platform.name} hosts no vGPUs, it is known to the command scanner only; allowed: ${hosts}`,
      );
    }
    this.platform = platform;
    this.#realTime = options.realTime ?? this.clock;
    this.#started = this.#realTime.now();
    this.#sameHangLimits = options.hangLimits !== undefined;
    this.#partition = new Partition({ apertureBytes, ggttBytes: platform.ggttEntries * GGTT_ENTRY_SPACE });
    this.gpu = new ModelGpu({ platform, apertureBytes, poolPages: poolPages(this.#partition), clock: this.clock });
    const rules = rulesOf(platform);
    this.#policy = rules.policy;
    this.arbiter = new Arbiter({
      gpu: this.gpu,
      clock: this.clock,
      realTime: this.#realTime,
      hostRanges: hostRanges(this.#partition.host),
      cmdAccess: rules.cmdAccess,
      skipGgttAudit: options.skipGgttAudit ?? false,
      ...(options.policy && { policy: options.policy }),
      ...(options.hangLimits && { hangLimits: options.hangLimits }),
    });
  }

  // ---- time

  /** When advance() has something to do, ns; never later than what is due. */
  nextDue(): number {
    let due = Math.min(this.gpu.nextDue(), this.arbiter.nextDue());
    for (const { vgpu } of this.members.values()) due = Math.min(due, vgpu.nextDue());
    return due;
  }

  /** Lets device, arbiter and displays catch up with the clock, as far as one turn may take. */
  advance(): void {
    const now = this.clock.now();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const worked = this.gpu.advance(now);
      const serviced = this.arbiter.service();
      // A device that is behind goes on in the next turn: guests' accesses do not wait for somebody's endless batch.
      if (this.gpu.exhausted || !(worked || serviced)) break;
    }
    for (const { vgpu } of this.members.values()) vgpu.advance(now);
  }

  // ---- vGPUs

  create(spec: NewVgpu): Member {
    if ([...this.members.values()].some((member) => member.name === spec.name)) {
      throw new XengtError('XENGT_E_EXISTS', `a vGPU named ${spec.name} exists already`);
    }
    const type = spec.type === undefined ? vgpuTypes(this.platform).at(-1)! : resolveType(spec.type, this.platform);
    if (spec.grant) checkGrant(spec.grant);
    if (spec.grant && this.members.has(spec.grant.vgpu)) {
      throw new XengtError('XENGT_E_EXISTS', `vGPU ${spec.grant.vgpu} exists, and the journal needs that number`);
    }
    // Before anything is taken: what is wrong with a monitor leaves nothing behind.
    const outputs = spec.ports?.map(outputOf);
    const slice = spec.grant
      ? this.#partition.allocateAt({ ...spec.grant, holder: spec.name })
      : this.#allocate(spec, type);
    const grant = spec.grant ?? { vgpu: this.#freeId(), weight: spec.weight ?? type.weight, ...slice };
    const vgpu = new Vgpu({
      grant,
      platform: this.platform,
      policy: this.#policy,
      gpu: this.gpu,
      arbiter: this.arbiter,
      clock: this.clock,
      monitor: spec.monitor,
      edid: EDIDS[type.resolution],
      outputs,
      scanProcesses: spec.scanProcesses,
      pageTables: spec.pageTables,
    });
    const share = {
      weight: grant.weight,
      cap: spec.cap ?? PLAIN_SHARE.cap,
      priority: spec.priority ?? PLAIN_SHARE.priority,
    };
    this.arbiter.setShare(grant.vgpu, share);
    if (!this.#sameHangLimits) this.arbiter.setHangLimits(grant.vgpu, hangLimitsOf(slice));
    const member: Member = {
      id: grant.vgpu,
      name: spec.name,
      vm: spec.vm ?? spec.name,
      type: isOfType(slice, type) ? type.name : 'custom',
      vgpu,
      slice,
      share,
    };
    this.members.set(grant.vgpu, member);
    return member;
  }

  remove(id: number): void {
    const member = this.get(id);
    member.vgpu.detach();
    this.arbiter.forget(id);
    this.#partition.free(member.slice);
    this.members.delete(id);
  }

  get(id: number): Member {
    const member = this.members.get(id);
    if (!member) throw new XengtError('XENGT_E_NOT_FOUND', `no vGPU has id ${id}`);
    return member;
  }

  /** In force from the next period on. */
  setShare(id: number, change: Partial<Share>): void {
    const member = this.get(id);
    member.share = { ...member.share, ...change };
    this.arbiter.setShare(id, member.share);
  }

  /** Out of failsafe, with a device as after a reset. */
  revive(id: number): void {
    const { vgpu, name } = this.get(id);
    if (vgpu.state !== 'failsafe')
      throw new XengtError('XENGT_E_NO_FAILSAFE', `vGPU "${name}" is in no failsafe: it is ${vgpu.state}`);
    this.arbiter.pardon(id);
    vgpu.reset();
  }

  #allocate(spec: NewVgpu, type: VgpuType): PartitionSlice {
    return this.#partition.allocate({
      holder: spec.name,
      lowMiB: spec.lowMiB ?? type.lowMiB,
      highMiB: spec.highMiB ?? type.highMiB,
      fences: spec.fences ?? type.fences,
    });
  }

  /** Ids are not used twice until all have been: what was charged to one vGPU is not soon another's. */
  #freeId(): number {
    do {
      this.#lastId = (this.#lastId % MAX_OWNER) + 1;
    } while (this.members.has(this.#lastId));
    return this.#lastId;
  }

  // ---- what the operator sees

  types(): TypeInfo[] {
    return vgpuTypes(this.platform).map((type) => ({
      name: type.name,
      lowMiB: type.lowMiB,
      highMiB: type.highMiB,
      fences: type.fences,
      weight: type.weight,
      resolution: type.resolution,
      availableInstances: this.#partition.availableInstances(type),
    }));
  }

  resources(): DeviceResources {
    const { apertureMiB, ggttMiB, fences, host, slices } = this.#partition;
    return { apertureMiB, ggttMiB, fences, held: [host, ...slices].map(holderOf) };
  }

  /** @param outside what is counted outside of the core, by vGPU */
  stats(unansweredTraps: number, outside: (vgpu: number) => CountedOutside = () => NOTHING_OUTSIDE): MediatorStats {
    return {
      device: 'model',
      platform: this.platform.name,
      uptimeSeconds: this.#uptime(),
      engines: this.engines(),
      vgpus: [...this.members.values()].map((member) => this.vgpuStats(member, outside(member.id))),
      resources: this.resources(),
      deviceFaults: { ...this.arbiter.deviceFaults },
      isolationViolations: this.gpu.oracle.violations,
      unansweredTraps,
    };
  }

  timelines(since: number): Timelines {
    const ofUptime = (ns: number) => (ns - this.#started) / NS_PER_S;
    return {
      now: ofUptime(this.#realTime.now()),
      engines: this.platform.engines.map((engine) => ({
        name: ENGINES[engine]!.name,
        runs: this.arbiter
          .engineTimeline(engine, since * NS_PER_S + this.#started)
          .map(([vgpu, from, to]) => [vgpu, ofUptime(from), ofUptime(to)] as const),
      })),
    };
  }

  engines(): EngineStats[] {
    return this.platform.engines.map((engine) => {
      const { busy, idle, switching, total } = this.arbiter.engineTotals(engine);
      const name = ENGINES[engine]!.name;
      return {
        name,
        busySeconds: busy,
        idleSeconds: idle,
        switchingSeconds: switching,
        totalSeconds: total,
        resets: this.arbiter.engineResets(engine),
      };
    });
  }

  vgpuStats(member: Member, { xen, trapTimes }: CountedOutside = NOTHING_OUTSIDE): VgpuStats {
    const { vgpu } = member;
    const gpuSeconds: Record<string, number> = {};
    const engineTime: Record<string, VgpuEngineTime> = {};
    for (const engine of this.platform.engines) {
      const { name } = ENGINES[engine]!;
      const { running, switching, switches, breaks, longestRun, waits } = this.arbiter.engineShare(member.id, engine);
      gpuSeconds[name] = running;
      engineTime[name] = { switchingSeconds: switching, switches, breaks, longestRunSeconds: longestRun, waits };
    }
    return {
      id: member.id,
      name: member.name,
      vm: member.vm,
      state: vgpu.state,
      gpuSeconds,
      engineTime,
      workloads: this.arbiter.results(member.id) ?? NO_WORK,
      traps: Object.fromEntries(
        TRAP_KINDS.map((kind, i) => [kind, { read: vgpu.traps[2 * i]!, write: vgpu.traps[2 * i + 1]! }]),
      ),
      trapsAnswered: trapsAnswered(vgpu),
      trapTimes,
      resets: { ...vgpu.resets },
      timesInFailsafe: vgpu.timesInFailsafe,
      unknownRegisters: vgpu.regs.unknown().length,
      refusals: vgpu.allRefusals(),
      scan: this.arbiter.scanStats(member.id),
      copied: { ...this.arbiter.copiedBytes(member.id) },
      xen,
      shadowPages: vgpu.shadowPages,
      interrupts: vgpu.irq.sent,
      frames: vgpu.display.frames,
    };
  }

  /** Seconds since the device was taken over. */
  #uptime(): number {
    return (this.#realTime.now() - this.#started) / NS_PER_S;
  }

  snapshot(id: number): VgpuSnapshot {
    return snapshotOf(this.get(id).vgpu, this.#uptime());
  }

  unknownRegisters(id: number): UnknownRegister[] {
    return this.get(id)
      .vgpu.regs.unknown()
      .map(({ offset, reads, writes }) => ({
        offset,
        name: nameInInventory(offset),
        reads,
        writes,
      }));
  }
}

/** Pages that the device's pool must have so that nobody runs short, whatever all the others do. */
function poolPages(partition: Partition): number {
  const { lowBytes, highBytes } = partition.host;
  const smallest = { lowMiB: SMALLEST_LOW_MIB, highMiB: SMALLEST_HIGH_MIB, fences: 0 };
  const vgpus = Math.min(partition.availableInstances(smallest), MAX_OWNER);
  return 1024 + (lowBytes + highBytes) / GGTT_ENTRY_SPACE + vgpus * MAX_SHADOW_PAGES;
}

/** A grant from a journal is somebody's file: numbers, and such that the rest can count on them. */
function checkGrant(grant: Grant): void {
  const { vgpu, weight, lowStart, lowBytes, highStart, highBytes, fenceStart, fenceCount } = grant;
  const whole = [lowStart, lowBytes, highStart, highBytes].every((bytes) => bytes >= 0 && bytes % MIB === 0);
  const fences = Number.isInteger(fenceStart) && Number.isInteger(fenceCount) && fenceStart >= 0 && fenceCount >= 0;
  const known = Number.isInteger(vgpu) && vgpu >= 1 && vgpu <= MAX_OWNER;
  const weighs = Number.isInteger(weight) && weight >= 1 && weight <= MOST_WEIGHT;
  if (whole && lowBytes > 0 && highBytes > 0 && fences && known && weighs) return;
  throw new XengtError(
    'XENGT_E_JOURNAL',
    `the journal asks for a part of the device that cannot be: ${JSON.stringify(grant)}`,
  );
}

function holderOf({ holder, ...slice }: PartitionSlice): ResourceHolder {
  return {
    holder,
    lowStartMiB: slice.lowStart / MIB,
    lowMiB: slice.lowBytes / MIB,
    highStartMiB: slice.highStart / MIB,
    highMiB: slice.highBytes / MIB,
    fenceStart: slice.fenceStart,
    fences: slice.fenceCount,
  };
}

function hostRanges(host: PartitionSlice): { firstPage: number; pages: number }[] {
  return [
    { firstPage: host.lowStart / GGTT_ENTRY_SPACE, pages: host.lowBytes / GGTT_ENTRY_SPACE },
    { firstPage: host.highStart / GGTT_ENTRY_SPACE, pages: host.highBytes / GGTT_ENTRY_SPACE },
  ];
}

/** Plain reads that an adapter answered from the bank, and the rest. */
function trapsAnswered({ traps, plainReads }: Vgpu): TrapsAnswered {
  return { addon: plainReads, mediator: traps.reduce((sum, count) => sum + count, 0) - plainReads };
}

function isOfType(slice: PartitionSlice, type: VgpuType): boolean {
  return (
    slice.lowBytes === type.lowMiB * MIB && slice.highBytes === type.highMiB * MIB && slice.fenceCount === type.fences
  );
}

/** Name of a register in any platform's rows: a register known elsewhere but not here. */
function nameInInventory(offset: number): string | null {
  for (const row of REGISTER_ROWS) {
    if (offset >= row.offset && offset < row.offset + ((row as { size?: number }).size ?? 4)) return row.name;
  }
  return null;
}
