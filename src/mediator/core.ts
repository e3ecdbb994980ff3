/**
 * The mediator without threads and sockets: a device, an arbiter, vGPUs, and a clock that stands still during an event.
 * Everything outside moves it by three means: a vGPU's traps, advance(), and the operator's calls.
 */
import { type Clock, VirtualClock, XengtError } from '../base/index.js';
import { ModelGpu } from '../gpu/index.js';
import { EDIDS, ENGINES, type Platform, REGISTER_ROWS, type VgpuType } from '../hw/index.js';
import { compilePolicy, type Policy } from '../mmio/index.js';
import { Arbiter, type Grant, type HangLimits } from '../scheduler/index.js';
import {
  Partition,
  type PartitionSlice,
  resolveType,
  TRAP_KINDS,
  Vgpu,
  vgpuHandlers,
  vgpuTypes,
} from '../vgpu/index.js';
import type { EngineStats, MediatorStats, TypeInfo, UnknownRegister, VgpuStats } from './api.js';
import { commandAccess } from './command-access.js';

export interface CoreOptions {
  readonly platform: Platform;
  readonly apertureBytes: number;
  /** Real time, for the accounts; left out where time is virtual. */
  readonly realTime?: Clock;
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
  readonly monitor: boolean;
  /** Exactly this part of the device, as a journal needs it. */
  readonly grant?: Grant | undefined;
}

/** A vGPU and what the operator knows it by. */
export interface Member {
  readonly id: number;
  readonly name: string;
  readonly vm: string;
  readonly type: string;
  readonly monitor: boolean;
  readonly vgpu: Vgpu;
  readonly slice: PartitionSlice;
}

const MIB = 1024 * 1024;
const GGTT_ENTRY_SPACE = 4096;
/** Rounds of device and arbiter in one advance: each round ends or starts workloads; the rest follows in the next. */
const MAX_ROUNDS = 64;
const NO_WORK: Readonly<Record<string, Readonly<Record<string, number>>>> = {};

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
  #lastId = 0;

  constructor(options: CoreOptions) {
    const { platform, apertureBytes } = options;
    this.platform = platform;
    this.#realTime = options.realTime ?? this.clock;
    this.#started = this.#realTime.now();
    this.gpu = new ModelGpu({ platform, apertureBytes });
    this.#policy = compilePolicy(platform, REGISTER_ROWS, vgpuHandlers);
    this.#partition = new Partition({
      apertureBytes,
      ggttBytes: platform.ggttEntries * GGTT_ENTRY_SPACE,
      totalFences: this.gpu.fences,
    });
    this.arbiter = new Arbiter({
      gpu: this.gpu,
      clock: this.clock,
      realTime: this.#realTime,
      hostRanges: hostRanges(this.#partition.host),
      cmdAccess: commandAccess(this.#policy),
      skipGgttAudit: options.skipGgttAudit ?? false,
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

  /** Lets device, arbiter and displays catch up with the clock. */
  advance(): void {
    const now = this.clock.now();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const worked = this.gpu.advance(now);
      if (!this.arbiter.service() && !worked) break;
    }
    for (const { vgpu } of this.members.values()) vgpu.advance(now);
  }

  // ---- vGPUs

  create(spec: NewVgpu): Member {
    if ([...this.members.values()].some((member) => member.name === spec.name)) {
      throw new XengtError('XENGT_E_EXISTS', `a vGPU named ${spec.name} exists already`);
    }
    const type = spec.type === undefined ? vgpuTypes(this.platform).at(-1)! : resolveType(spec.type, this.platform);
    if (spec.grant && this.members.has(spec.grant.vgpu)) {
      throw new XengtError('XENGT_E_EXISTS', `vGPU id ${spec.grant.vgpu}, which the journal needs, is in use`);
    }
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
    });
    const member: Member = {
      id: grant.vgpu,
      name: spec.name,
      vm: spec.vm ?? spec.name,
      type: isOfType(slice, type) ? type.name : 'custom',
      monitor: spec.monitor,
      vgpu,
      slice,
    };
    this.members.set(grant.vgpu, member);
    return member;
  }

  remove(id: number): void {
    const member = this.get(id);
    member.vgpu.detach();
    this.#partition.free(member.slice);
    this.members.delete(id);
  }

  get(id: number): Member {
    const member = this.members.get(id);
    if (!member) throw new XengtError('XENGT_E_NOT_FOUND', `no vGPU has id ${id}`);
    return member;
  }

  #allocate(spec: NewVgpu, type: VgpuType): PartitionSlice {
    return this.#partition.allocate({
      holder: spec.name,
      lowMiB: spec.lowMiB ?? type.lowMiB,
      highMiB: spec.highMiB ?? type.highMiB,
      fences: spec.fences ?? type.fences,
    });
  }

  /** Ids are not used twice where it can be helped: what was charged to one vGPU is never another's. */
  #freeId(): number {
    this.#lastId = Math.max(this.#lastId, ...this.members.keys()) + 1;
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

  stats(unansweredTraps: number): MediatorStats {
    return {
      device: 'model',
      platform: this.platform.name,
      uptimeSeconds: (this.#realTime.now() - this.#started) / 1e9,
      engines: this.engines(),
      vgpus: [...this.members.values()].map((member) => this.vgpuStats(member)),
      isolationViolations: this.gpu.oracle.violations,
      unansweredTraps,
    };
  }

  engines(): EngineStats[] {
    return this.platform.engines.map((engine) => {
      const { busy, idle, switching, total } = this.arbiter.engineTotals(engine);
      const name = ENGINES[engine]!.name;
      return { name, busySeconds: busy, idleSeconds: idle, switchingSeconds: switching, totalSeconds: total };
    });
  }

  vgpuStats(member: Member): VgpuStats {
    const { vgpu } = member;
    const gpuSeconds: Record<string, number> = {};
    for (const engine of this.platform.engines) {
      gpuSeconds[ENGINES[engine]!.name] = this.arbiter.busySeconds(member.id, engine);
    }
    return {
      id: member.id,
      name: member.name,
      vm: member.vm,
      state: vgpu.state,
      gpuSeconds,
      workloads: this.arbiter.results(member.id) ?? NO_WORK,
      traps: Object.fromEntries(
        TRAP_KINDS.map((kind, i) => [kind, { read: vgpu.traps[2 * i]!, write: vgpu.traps[2 * i + 1]! }]),
      ),
      unknownRegisters: vgpu.regs.unknown().length,
      refusals: vgpu.allRefusals(),
      shadowPages: vgpu.shadowPages,
      interrupts: vgpu.irq.sent,
      frames: vgpu.display.frames,
    };
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

function hostRanges(host: PartitionSlice): { firstPage: number; pages: number }[] {
  return [
    { firstPage: host.lowStart / GGTT_ENTRY_SPACE, pages: host.lowBytes / GGTT_ENTRY_SPACE },
    { firstPage: host.highStart / GGTT_ENTRY_SPACE, pages: host.highBytes / GGTT_ENTRY_SPACE },
  ];
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
