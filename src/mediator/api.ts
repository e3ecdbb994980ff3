/**
 * What the control plane may ask of the mediator. The mediator runs in a worker of its own; every call is one message and
 * one answer (plain values, structured clone). A refusal arrives as an XengtError with its code.
 */

import type { MonitorSetup, OutputPort, Plug } from '../hw/index.js';
import type { XenCounts } from '../hypervisor/index.js';
import type { CopiedBytes, Share, WaitStats } from '../scheduler/index.js';
import type { ResetCounts } from '../vgpu/index.js';
import type { TrapTimes } from './trap-times.js';

export { TRAP_SAMPLE, TRAP_STEPS } from './trap-times.js';
export type { MonitorSetup, OutputPort, Plug, ResetCounts, TrapTimes, WaitStats, XenCounts };

export interface VgpuSpec {
  /** Operator's name, 1 to 64 of [A-Za-z0-9._-], unique. */
  readonly name: string;
  /** VM label for accounting; default: the name. */
  readonly vm?: string;
  /** A type name as GVT-g has them (V5_8, i915-GVTg_V5_8), or sizes of one's own. */
  readonly type?: string;
  readonly lowMiB?: number;
  readonly highMiB?: number;
  readonly fences?: number;
  readonly weight?: number;
  /** Most of an engine's time that it may have, in percent; default 100: no limit. */
  readonly cap?: number;
  /** 0 to 15, the highest first, where the device is run by priority; default 0. */
  readonly priority?: number;
  /** A virtual DP monitor is plugged in; default true. */
  readonly monitor?: boolean;
  /** What is plugged into its ports besides that, or instead of it. */
  readonly ports?: readonly MonitorSetup[];
  /** Default: 'needed'. */
  readonly scanProcesses?: ScanProcesses;
  /** Default: 'auto'. */
  readonly pageTables?: PageTables;
  /** Where the guest comes from. */
  readonly transport: VgpuTransport;
  /** Write a journal of everything that the guest does. */
  readonly record?: string;
}

/**
 * Which engines' batches in per-process address spaces are judged: those that the hardware leaves unchecked (the blitter of
 * Gen9), or all.
 */
export type ScanProcesses = 'needed' | 'all';

/**
 * How the guest's page tables are followed: write-protected where the hypervisor can (those that are written often are compared
 * at each submission), or all compared at each submission.
 */
export type PageTables = 'auto' | 'compare';

/** Shadow page tables compared with the guest's, entry by entry. */
export interface PageTableAudit {
  readonly tables: number;
  /** Shadow entries that were compared, and those of them that lead to the guest's memory. */
  readonly entries: number;
  readonly present: number;
  /** Entries that are not what they should be, and the first of them in words. */
  readonly differing: number;
  readonly first: string | null;
}

export type VgpuTransport =
  | { readonly kind: 'vfio-user'; readonly socket: string }
  /** An HVM domain of the Xen host that this runs on; attached at once. */
  | { readonly kind: 'xen'; readonly domid: number }
  | { readonly kind: 'replay'; readonly file: string; readonly loop: boolean };

export interface VgpuInfo {
  readonly id: number;
  readonly name: string;
  readonly vm: string;
  readonly type: string;
  readonly lowMiB: number;
  readonly highMiB: number;
  readonly fences: number;
  readonly weight: number;
  readonly cap: number;
  readonly priority: number;
  /** Of the platform's own port: D, on Broadwell B. */
  readonly monitor: boolean;
  /** All its ports. */
  readonly ports: readonly PortInfo[];
  readonly scanProcesses: ScanProcesses;
  readonly pageTables: PageTables;
  readonly transport: VgpuTransport;
  /** Xen's number of the guest's ioreq server, for whoever must remove it after a crash; null for other guests. */
  readonly ioreqServer: number | null;
  /** `waiting` for a guest, `attached`, or `failsafe` (with the reason). */
  readonly state: 'waiting' | 'attached' | 'failsafe';
  readonly reason: string | null;
  /** Why the last workload that was given up did not end (a hang, a refused batch), in one line; null when none was. */
  readonly lastDropped: string | null;
  /** Mode of the first active pipe, null when nothing is shown. */
  readonly mode: { readonly width: number; readonly height: number; readonly refreshHz: number } | null;
}

export interface PortInfo {
  readonly port: OutputPort;
  readonly type: Plug;
  readonly connected: boolean;
  /** EDID of the monitor that is plugged in, or would be; in hex. */
  readonly edid: string;
  /** Name and preferred mode that the EDID tells; empty where it tells none. */
  readonly monitor: string;
  readonly preferred: string;
  /** Pipe that the guest shows on it. */
  readonly pipe: 'A' | 'B' | 'C' | null;
}

/** What is to become of a port; what is left out stays as it is. */
export type PortChange = Omit<MonitorSetup, 'port'>;

export interface TypeInfo {
  readonly name: string;
  readonly lowMiB: number;
  readonly highMiB: number;
  readonly fences: number;
  readonly weight: number;
  readonly resolution: string;
  readonly availableInstances: number;
}

/** What somebody holds of the device: a vGPU by its name, or the mediator itself (`host`). */
export interface ResourceHolder {
  readonly holder: string;
  /** Place in the graphics address space, MiB; low is the aperture. */
  readonly lowStartMiB: number;
  readonly lowMiB: number;
  readonly highStartMiB: number;
  readonly highMiB: number;
  readonly fenceStart: number;
  readonly fences: number;
}

export interface DeviceResources {
  readonly apertureMiB: number;
  /** Graphics address space that the GGTT covers, the aperture included. */
  readonly ggttMiB: number;
  readonly fences: number;
  /** The mediator first. */
  readonly held: readonly ResourceHolder[];
}

export interface EngineStats {
  readonly name: string;
  readonly busySeconds: number;
  readonly idleSeconds: number;
  readonly switchingSeconds: number;
  /** Time since the engine was taken over, from the clock; the three above add up to it. */
  readonly totalSeconds: number;
  /** Times that the mediator reset it: for a guest that asked, or after a hang. */
  readonly resets: number;
}

/** What the command scanner did for a vGPU. */
export interface ScanCounts {
  readonly commands: number;
  readonly dwords: number;
  /** Copied batches: a kept verdict was used again, or they were judged; of the judged, a kept verdict was on other dwords. */
  readonly reused: number;
  readonly judged: number;
  readonly changed: number;
  /** Kept verdicts that made room for others; those that are kept now, and their bytes. */
  readonly evicted: number;
  readonly verdicts: number;
  readonly verdictBytes: number;
}

/** What a vGPU's work spent on an engine besides running. */
export interface VgpuEngineTime {
  /** Preparing, restoring and saving its contexts, s. */
  readonly switchingSeconds: number;
  /** Times that the engine was handed over to it from another vGPU. */
  readonly switches: number;
  /** Times that its work was taken off the engine before its end, to be gone on with later. */
  readonly breaks: number;
  /** The longest that one of its workloads kept the engine, preparation included. */
  readonly longestRunSeconds: number;
  readonly waits: WaitStats;
}

/** What is set at run time of how a vGPU shares the engines; what is left out stays as it is. */
export type ShareChange = Partial<Share>;

/** What was made good of the device's own faults. */
export interface DeviceFaultCounts {
  readonly lostEvents: number;
  readonly resubmitted: number;
}

/** Traps by who answered: the addon alone from the register bank (plain reads of Xen guests), or the mediator. */
export interface TrapsAnswered {
  readonly addon: number;
  readonly mediator: number;
}

export interface VgpuStats {
  readonly id: number;
  readonly name: string;
  readonly vm: string;
  readonly state: VgpuInfo['state'];
  /** GPU seconds by engine name. */
  readonly gpuSeconds: Readonly<Record<string, number>>;
  /** The rest of its time on each engine, by engine name. */
  readonly engineTime: Readonly<Record<string, VgpuEngineTime>>;
  /** Workloads by engine name, then by result (`complete`, `rejected`, `dropped`, `hung`). */
  readonly workloads: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Traps by space (`mmio`, `ggtt`, `aperture`, `config`), then by op (`read`, `write`). */
  readonly traps: Readonly<Record<string, { readonly read: number; readonly write: number }>>;
  /** All of those by who answered. */
  readonly trapsAnswered: TrapsAnswered;
  readonly trapTimes: TrapTimes;
  readonly resets: Readonly<ResetCounts>;
  readonly timesInFailsafe: number;
  /** Distinct registers touched that have no row. */
  readonly unknownRegisters: number;
  /** Refused guest actions by rule. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly scan: ScanCounts;
  /** Bytes that were copied for its workloads: of context images there and back, of rings, of batches. */
  readonly copied: Readonly<CopiedBytes>;
  /** Null for guests of other hypervisors. */
  readonly xen: XenCounts | null;
  readonly shadowPages: number;
  readonly interrupts: number;
  readonly frames: number;
}

export interface MediatorStats {
  readonly device: string;
  readonly platform: string;
  readonly uptimeSeconds: number;
  readonly engines: readonly EngineStats[];
  readonly vgpus: readonly VgpuStats[];
  readonly resources: DeviceResources;
  readonly deviceFaults: DeviceFaultCounts;
  readonly isolationViolations: number;
  readonly unansweredTraps: number;
}

/** Who ran on an engine, and when: stretches of a vGPU's number, start and end, in seconds of uptime. */
export interface EngineTimeline {
  readonly name: string;
  readonly runs: readonly (readonly [vgpu: number, from: number, to: number])[];
}

export interface Timelines {
  /** Uptime up to which they are known. */
  readonly now: number;
  readonly engines: readonly EngineTimeline[];
}

export interface UnknownRegister {
  readonly offset: number;
  readonly name: string | null;
  readonly reads: number;
  readonly writes: number;
}

/** A vGPU at one moment, as its guest has it. Numbers are addresses and values of its registers: nothing of its memory. */
export interface VgpuSnapshot {
  readonly platform: string;
  /** Since the device was taken over. */
  readonly uptimeSeconds: number;
  /** PCI configuration space, in hex. */
  readonly config: string;
  /** All that are not zero, by offset. */
  readonly registers: readonly { readonly offset: number; readonly name: string; readonly value: number }[];
  /** Pages of its graphics address space, and those that lead to memory. */
  readonly ggtt: { readonly pages: number; readonly mapped: number };
  /** Guest addresses of the root tables of each per-process address space that its driver announced. */
  readonly addressSpaces: readonly (readonly number[])[];
  /** Submissions that each engine's port holds: none, one that runs, or one more behind it. */
  readonly engines: readonly { readonly name: string; readonly held: 0 | 1 | 2 }[];
}

export interface Screen {
  readonly width: number;
  readonly height: number;
  /** RGBA, 8 bits each, row by row. */
  readonly rgba: Uint8Array;
}

export interface MediatorApi {
  createVgpu(spec: VgpuSpec): Promise<VgpuInfo>;
  removeVgpu(id: number): Promise<void>;
  vgpus(): Promise<VgpuInfo[]>;
  types(): Promise<TypeInfo[]>;
  resources(): Promise<DeviceResources>;
  stats(): Promise<MediatorStats>;
  /** What ran after `since`, in seconds of uptime; the last few thousand stretches at most. */
  timelines(since: number): Promise<Timelines>;
  unknownRegisters(id: number): Promise<UnknownRegister[]>;
  /** Null without a guest. Refused with XENGT_E_PPGTT where the guest's tables cannot be shadowed. */
  auditPageTables(id: number): Promise<PageTableAudit | null>;
  isolation(): Promise<{ violations: number; last: string[] }>;
  /** The picture on the vGPU's first active pipe; null when nothing is shown. */
  screen(id: number): Promise<Screen | null>;
  /** Plugs or unplugs the virtual monitor. */
  setMonitor(id: number, connected: boolean): Promise<void>;
  /** Plugs a monitor into a port, out of it, or another one instead. The guest is told. Refused while a journal is written. */
  setPort(id: number, port: OutputPort, change: PortChange): Promise<void>;
  /** Refused while a journal is written: it holds only what was read, which would change. */
  setScanProcesses(id: number, asked: ScanProcesses): Promise<void>;
  /** Weight, cap and priority, in force from the next period on. */
  setShare(id: number, change: ShareChange): Promise<void>;
  /** Takes a vGPU out of failsafe: its guest finds a device that was just reset. Refused where it is in no failsafe. */
  revive(id: number): Promise<void>;
  /**
   * What a function-level reset of its PCI device does, under a driver that does not expect it. Refused while a journal is
   * written.
   */
  reset(id: number): Promise<void>;
  snapshot(id: number): Promise<VgpuSnapshot>;
  /** null when the native addon is loaded, else what is missing, as one sentence. */
  nativeStatus(): Promise<string | null>;
  stop(): Promise<void>;
}
