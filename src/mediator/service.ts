/**
 * The mediator's thread: one loop that sleeps over the descriptors of all guests, lets each have its turn, keeps the core's
 * clock, and answers the control plane between events. Without the native addon it still runs replayed guests.
 */
import { type GuestMemory, MonotonicClock, NS_PER_MS, NS_PER_S, PAGE_SIZE, XengtError } from '../base/index.js';
import { type OutputPort, platformByName } from '../hw/index.js';
import {
  type GuestPort,
  type HostAperture,
  hostBar,
  JournalReader,
  loadNative,
  type Native,
  nativeMissing,
  ReplayGuest,
  type TrapSink,
  VfioGuestMemory,
  VfioUserServer,
  Waiter,
  WakeUp,
  XenServer,
} from '../hypervisor/index.js';
import type { PolicyName } from '../scheduler/index.js';
import type { Vgpu } from '../vgpu/index.js';
import type {
  MediatorApi,
  PortChange,
  ScanProcesses,
  Screen,
  ShareChange,
  VgpuInfo,
  VgpuSnapshot,
  VgpuSpec,
} from './api.js';
import { MediatorCore, type Member } from './core.js';
import { outputOf, portOf, setupOf } from './ports.js';
import { Recorder } from './recorder.js';
import { NO_TRAP_TIMES, TimedTraps } from './trap-times.js';

export interface MediatorOptions {
  readonly platform: string;
  readonly apertureMiB: number;
  /** By what the engines are shared; default 'shares'. */
  readonly policy?: PolicyName | undefined;
  /** BAR of a device of the host that stands for the physical aperture, as HOST_BAR has it: Xen guests reach it untrapped. */
  readonly apertureBar?: string | undefined;
  /** Test switch: the GGTT audit is skipped, so that the isolation oracle has something to find. */
  readonly skipGgttAudit?: boolean;
}

/** Messages of one guest per turn, so that a busy one does not keep the others waiting. */
const BUDGET = 256;
/** About how late a timed sleep ends (the kernel's timer slack is 50 us). */
const SLEEP_ENDS_NS = 60_000;
/** Stalled clients are looked for, and nothing else happens, this often. */
const TICK_NS = NS_PER_S;

/** A vGPU's guest, whatever it is. */
interface Seat {
  readonly member: Member;
  readonly spec: VgpuSpec;
  /** The vGPU as its guest's accesses reach it. */
  readonly traps: TimedTraps;
  server: VfioUserServer | XenServer | null;
  /** Null also when the journal turned out to be damaged. */
  replay: ReplayGuest | null;
  recorder: Recorder | null;
  journalLost: boolean;
  /** Memory, and its generation, that what stands in shadows was made of. */
  memory: GuestMemory | null;
  generation: number;
}

/** The API as this thread answers it: at once. */
export type MediatorCalls = {
  [K in keyof MediatorApi]: (...args: Parameters<MediatorApi[K]>) => Awaited<ReturnType<MediatorApi[K]>>;
};

export class MediatorService implements MediatorCalls {
  readonly #core: MediatorCore;
  readonly #real = new MonotonicClock();
  readonly #native: Native | null = loadNative();
  readonly #waiter: Waiter | null;
  readonly #wake: WakeUp | null;
  readonly #seats = new Map<number, Seat>();
  /** Machine frame of the physical aperture's first page, -1 where there is none. */
  readonly #apertureMfn: number;
  #stopped = false;
  #called = false;
  #ticked = 0;

  /** @throws XengtError XENGT_E_CONFIG */
  constructor(
    options: MediatorOptions,
    /** Woken by the control plane when there is no addon to wake us. */
    private readonly doorbell: Int32Array,
  ) {
    const platform = platformByName(options.platform);
    if (!platform) throw new XengtError('XENGT_E_CONFIG', `platform: "${options.platform}" is not known`);
    this.#core = new MediatorCore({
      platform,
      apertureBytes: options.apertureMiB * 1024 * 1024,
      realTime: this.#real,
      skipGgttAudit: options.skipGgttAudit ?? false,
      ...(options.policy && { policy: options.policy }),
    });
    this.#apertureMfn = apertureAt(options);
    this.#waiter = this.#native ? new Waiter(this.#native) : null;
    if (this.#native && this.#waiter) {
      this.#wake = new WakeUp(this.#native, this.#waiter, () => {
        this.#called = true;
      });
      this.#waiter.onAwake = () => this.#core.clock.set(this.#real.now());
    } else {
      this.#wake = null;
    }
  }

  /** Descriptor that wakes the loop, -1 where the doorbell does. */
  get wakeFd(): number {
    return this.#wake?.fd ?? -1;
  }

  /** @param answerCalls answers what the control plane asked since the last time */
  run(answerCalls: () => void): void {
    while (!this.#stopped) {
      this.#sleep();
      this.#core.clock.set(this.#real.now());
      this.#pumpReplays();
      this.#memoryChanges();
      if (this.#core.nextDue() <= this.#core.clock.now()) this.#advance();
      this.#tick();
      // What has ended meanwhile is in the books by now: who asks where the time went is not told that it still runs.
      if (this.#called) {
        this.#called = false;
        answerCalls();
      }
    }
    for (const seat of this.#seats.values()) this.#close(seat);
    this.#wake?.close();
    this.#waiter?.close();
  }

  #sleep(): void {
    const now = this.#real.now();
    let due = Math.min(this.#core.nextDue(), this.#ticked + TICK_NS);
    for (const { replay } of this.#seats.values()) if (replay) due = Math.min(due, replay.nextDue(now));
    const ns = Math.max(0, due - now);
    if (this.#waiter) {
      // What is due sooner than a sleep takes to end is waited for awake: short work completes as fast as it is done.
      this.#waiter.run(ns < SLEEP_ENDS_NS ? 0 : ns, BUDGET);
      return;
    }
    if (ns > 0) Atomics.wait(this.doorbell, 0, 0, ns / NS_PER_MS);
    if (Atomics.exchange(this.doorbell, 0, 0) !== 0) this.#called = true;
  }

  #advance(): void {
    let work = (): void => this.#core.advance();
    for (const { recorder } of this.#seats.values()) {
      if (!recorder) continue;
      const inner = work;
      work = () => recorder.advance(inner);
    }
    work();
  }

  #pumpReplays(): void {
    const now = this.#core.clock.now();
    for (const seat of this.#seats.values()) {
      const { replay, member, spec, traps } = seat;
      if (!replay) continue;
      try {
        if (replay.pump(traps, now)) continue;
        if (spec.transport.kind !== 'replay' || !spec.transport.loop) {
          // It stays as it stands, with what it shows.
          seat.replay = null;
          continue;
        }
        member.vgpu.detach();
        replay.rewind();
        member.vgpu.attach(replay);
      } catch (error) {
        // A journal that is damaged further on, most likely: this guest has come to its end.
        seat.replay = null;
        member.vgpu.fault(error);
      }
    }
  }

  /** A guest's memory map changed: what its page tables name may be other memory now. */
  #memoryChanges(): void {
    for (const seat of this.#seats.values()) {
      const { vgpu } = seat.member;
      const { memory } = vgpu;
      if (memory === seat.memory && memory.generation === seat.generation) continue;
      seat.memory = memory;
      seat.generation = memory.generation;
      try {
        vgpu.memoryChanged();
      } catch (error) {
        vgpu.fault(error);
      }
    }
  }

  #tick(): void {
    const now = this.#real.now();
    if (now - this.#ticked < TICK_NS) return;
    this.#ticked = now;
    for (const seat of this.#seats.values()) {
      seat.server?.tick(now);
      this.#lookAtJournal(seat);
    }
  }

  /** Says once that a journal could not be written on; its guest is not to suffer for it. */
  #lookAtJournal(seat: Seat): void {
    const failed = seat.recorder?.failed ?? null;
    if (failed === null || seat.journalLost) return;
    seat.journalLost = true;
    say(`the journal of ${seat.member.name} ends here: ${failed}`);
  }

  // ---- calls

  createVgpu(spec: VgpuSpec): VgpuInfo {
    const { transport } = spec;
    if (transport.kind === 'replay') return this.#createReplay(spec, transport.file);
    if (!this.#native || !this.#waiter) throw new XengtError('XENGT_E_NO_ADDON', nativeMissing());
    if (transport.kind === 'xen' && spec.record !== undefined) {
      throw new XengtError(
        'XENGT_E_CONFIG',
        'record: the guest of a Xen domain cannot be recorded; allowed: vfio-user',
      );
    }
    const member = this.#core.create({ ...spec, monitor: spec.monitor ?? true });
    const seat: Seat = {
      member,
      spec,
      traps: new TimedTraps(member.vgpu, this.#real),
      server: null,
      replay: null,
      recorder: null,
      journalLost: false,
      memory: null,
      generation: 0,
    };
    // What every adapter is told.
    const common = {
      apertureBytes: this.#core.gpu.apertureBytes,
      bar0Bytes: this.#core.platform.bar0Bytes,
      frameBase: this.#core.gpu.frameBase(member.id),
      native: this.#native,
      waiter: this.#waiter,
      makeGuest: (port: GuestPort) => this.#attach(seat, port),
      onDetach: () => this.#detach(seat),
      onFault: (error: unknown) => member.vgpu.fault(error),
    };
    this.#seats.set(member.id, seat);
    try {
      seat.server =
        transport.kind === 'xen'
          ? new XenServer({
              ...common,
              domid: transport.domid,
              log: (line) => say(`${member.name}: ${line}`),
              ...(this.#apertureMfn >= 0 && { hostAperture: this.#slice(member) }),
            })
          : new VfioUserServer({ ...common, path: transport.socket });
    } catch (error) {
      this.#seats.delete(member.id);
      this.#core.remove(member.id);
      throw error;
    }
    return this.#info(member.id);
  }

  /** A vGPU's part of the physical aperture. */
  #slice({ vgpu }: Member): HostAperture {
    const { lowStart, lowBytes } = vgpu.grant;
    return { mfn: this.#apertureMfn, firstPage: lowStart / PAGE_SIZE, pages: lowBytes / PAGE_SIZE };
  }

  #createReplay(spec: VgpuSpec, file: string): VgpuInfo {
    const journal = new JournalReader(file);
    const { grant, type, monitor, ports, platform, apertureBytes } = journal.header;
    const { name } = this.#core.platform;
    if (platform !== name || apertureBytes !== this.#core.gpu.apertureBytes) {
      const needs = `${platform} with ${apertureBytes / 2 ** 20} MiB of aperture`;
      throw new XengtError('XENGT_E_CONFIG', `journal ${file} needs ${needs}, the device is ${name}`);
    }
    const member = this.#core.create({ ...spec, type, monitor, ports, grant });
    const replay = new ReplayGuest(journal, this.#core.gpu.frameBase(member.id));
    try {
      member.vgpu.attach(replay);
    } catch (error) {
      this.#core.remove(member.id);
      throw error;
    }
    this.#seats.set(member.id, {
      member,
      spec,
      traps: new TimedTraps(member.vgpu, this.#real),
      server: null,
      replay,
      recorder: null,
      journalLost: false,
      memory: null,
      generation: 0,
    });
    return this.#info(member.id);
  }

  #attach(seat: Seat, port: GuestPort): TrapSink {
    const { vgpu } = seat.member;
    const { record } = seat.spec;
    const { memory } = port;
    if (record === undefined || !(memory instanceof VfioGuestMemory)) {
      vgpu.attach(port);
      return seat.traps;
    }
    const header = {
      platform: this.#core.platform.name,
      apertureBytes: this.#core.gpu.apertureBytes,
      grant: vgpu.grant,
      type: seat.member.type,
      startNs: this.#core.clock.now(),
      monitor: vgpu.display.monitor,
      ports: vgpu.display.outputInfos().map(setupOf),
      scanProcesses: operatorsChoice(vgpu.scanProcesses),
      note: seat.member.name,
    };
    const recorder = new Recorder(
      record,
      header,
      seat.traps,
      memory,
      () => this.#core.clock.now(),
      () => vgpu.busy,
    );
    seat.recorder = recorder;
    seat.journalLost = false;
    vgpu.attach(recordingPort(port, recorder));
    return recorder;
  }

  #detach(seat: Seat): void {
    seat.recorder?.close();
    seat.recorder = null;
    seat.member.vgpu.detach();
  }

  #close(seat: Seat): void {
    seat.server?.close();
    seat.recorder?.close();
  }

  removeVgpu(id: number): void {
    this.#core.get(id);
    const seat = this.#seats.get(id);
    if (seat) this.#close(seat);
    this.#seats.delete(id);
    this.#core.remove(id);
  }

  vgpus(): VgpuInfo[] {
    return [...this.#core.members.keys()].map((id) => this.#info(id));
  }

  #info(id: number): VgpuInfo {
    const { vgpu, name, vm, type, share } = this.#core.get(id);
    const { grant } = vgpu;
    const { spec, server } = this.#seats.get(id)!;
    return {
      id,
      name,
      vm,
      type,
      lowMiB: grant.lowBytes / 2 ** 20,
      highMiB: grant.highBytes / 2 ** 20,
      fences: grant.fenceCount,
      ...share,
      monitor: vgpu.display.monitor,
      ports: vgpu.display.outputInfos().map(portOf),
      scanProcesses: operatorsChoice(vgpu.scanProcesses),
      pageTables: vgpu.pageTables,
      transport: spec.transport,
      ioreqServer: server instanceof XenServer ? server.serverId : null,
      state: vgpu.state,
      reason: vgpu.reason,
      lastDropped: vgpu.lastDropped,
      mode: vgpu.display.mode(),
    };
  }

  types() {
    return this.#core.types();
  }

  resources() {
    return this.#core.resources();
  }

  stats() {
    let unanswered = 0;
    for (const { server } of this.#seats.values()) unanswered += server?.counters.unanswered ?? 0;
    return this.#core.stats(unanswered, (id) => {
      const seat = this.#seats.get(id);
      const xen = seat?.server instanceof XenServer ? seat.server.counts() : null;
      return { xen, trapTimes: seat?.traps.times() ?? NO_TRAP_TIMES };
    });
  }

  timelines(since: number) {
    return this.#core.timelines(since);
  }

  unknownRegisters(id: number) {
    return this.#core.unknownRegisters(id);
  }

  auditPageTables(id: number) {
    return this.#core.get(id).vgpu.auditPageTables();
  }

  isolation() {
    const { violations, last } = this.#core.gpu.oracle;
    return {
      violations,
      last: last.map(
        (one) =>
          `${one.engine} of vGPU ${one.owner} ${one.write ? 'wrote' : 'read'} frame 0x${one.mfn.toString(16)} of ` +
          `${one.mfnOwner} at GMADR 0x${one.gmadr.toString(16)}`,
      ),
    };
  }

  screen(id: number): Screen | null {
    const { vgpu } = this.#core.get(id);
    return vgpu.display.capture(vgpu.memory);
  }

  setMonitor(id: number, connected: boolean): void {
    const { vgpu } = this.#core.get(id);
    if (vgpu.display.monitor === connected) return;
    this.#notRecorded(id, 'that its monitor was plugged or unplugged');
    vgpu.display.setMonitor(connected);
  }

  setPort(id: number, port: OutputPort, change: PortChange): void {
    const { display } = this.#core.get(id).vgpu;
    this.#notRecorded(id, 'that a monitor was exchanged');
    const { port: _port, ...wish } = outputOf({ port, ...change });
    display.plug(port, wish);
  }

  /** @throws XengtError XENGT_E_BUSY while a journal is written: it does not hold what an operator does */
  #notRecorded(id: number, what: string): void {
    if (!this.#seats.get(id)?.recorder) return;
    const { name } = this.#core.get(id);
    throw new XengtError('XENGT_E_BUSY', `the journal of ${name} is being written: it has no place for ${what}`);
  }

  setScanProcesses(id: number, asked: ScanProcesses): void {
    const { vgpu, name } = this.#core.get(id);
    if (vgpu.scanProcesses === asked) return;
    if (this.#seats.get(id)?.recorder) {
      throw new XengtError('XENGT_E_BUSY', `the journal of ${name} is being written: it holds only what is read now`);
    }
    vgpu.scanProcesses = asked;
  }

  setShare(id: number, change: ShareChange): void {
    this.#core.setShare(id, change);
  }

  revive(id: number): void {
    this.#core.revive(id);
  }

  reset(id: number): void {
    const { vgpu } = this.#core.get(id);
    this.#notRecorded(id, 'a reset that its guest did not ask for');
    vgpu.reset();
  }

  snapshot(id: number): VgpuSnapshot {
    return this.#core.snapshot(id);
  }

  nativeStatus(): string | null {
    return this.#native ? null : nativeMissing();
  }

  stop(): void {
    this.#stopped = true;
  }
}

/** @throws XengtError XENGT_E_CONFIG for a BAR that is not there or too small */
function apertureAt({ apertureBar, apertureMiB }: MediatorOptions): number {
  if (apertureBar === undefined) return -1;
  const { mfn, bytes } = hostBar(apertureBar);
  if (bytes >= apertureMiB * 2 ** 20) return mfn;
  throw new XengtError(
    'XENGT_E_CONFIG',
    `apertureBar: ${apertureBar} has ${bytes / 2 ** 20} MiB; the aperture is to have ${apertureMiB} MiB`,
  );
}

function say(message: string): void {
  process.stderr.write(`xengt: ${message}\n`);
}

/** Here nothing runs that was not asked for with one of these. */
const operatorsChoice = (asked: Vgpu['scanProcesses']): ScanProcesses => (asked === 'all' ? 'all' : 'needed');

/** The guest's port with its interrupts noted in the journal. */
function recordingPort(port: GuestPort, recorder: Recorder): GuestPort {
  return {
    memory: port.memory,
    canTrackWrites: port.canTrackWrites,
    trackWrites: (gfn, on) => port.trackWrites(gfn, on),
    fail: (reason) => port.fail(reason),
    injectMsi: (address, data) => {
      recorder.interrupt();
      port.injectMsi(address, data);
    },
    setIntx: (asserted) => {
      if (asserted) recorder.interrupt();
      port.setIntx(asserted);
    },
  };
}
