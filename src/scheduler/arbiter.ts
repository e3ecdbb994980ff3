/**
 * The arbiter: the one face through which vGPUs reach what they share. Calls carry plain values; each is checked against
 * the arbiter's own record of what the caller owns. Answers come back as events, delivered by service().
 */
import { type Clock, NEVER, NS_PER_S, PAGE_SHIFT, reasonOf, XengtError } from '../base/index.js';
import type { ScanCode } from '../cmd-parser/index.js';
import { type Gpu, OWNER_MEDIATOR } from '../gpu/index.js';
import {
  CONTEXT_SWITCH,
  ENGINE_EVENTS,
  ENGINES,
  type EngineId,
  FENCE_BASE,
  FENCE_VALID,
  FLUSH_NOTIFY,
  frameHi,
  frameLo,
  frameOf,
  INTERRUPT_GROUPS,
  IRQ_IER,
  IRQ_IIR,
  IRQ_IMR,
  MASTER_ENABLE,
  MASTER_IRQ,
  PTE_ATTRIBUTES,
  PTE_PRESENT,
  PTE_RW,
  RING,
  USER_INTERRUPT,
} from '../hw/index.js';
import { Client, type ClientParts } from './client.js';
import type { Prepared } from './dispatch.js';
import { Dispatcher } from './dispatch.js';
import { EngineDriver } from './engine-driver.js';
import { HostGm } from './host-gm.js';
import { EngineLedger, IDLE, SWITCHING } from './ledger.js';
import { type SchedulingPolicy, WeightedRoundRobin } from './policy.js';
import type { ScanProcesses } from './process-batches.js';
import { RegisterSwitch } from './register-switch.js';
import { NO_SCANS, ScanRefusal, type ScanStats } from './scan-stats.js';
import type { Workload, WorkloadResult } from './workload.js';

/** Longest queue of one vGPU on one engine. A guest has two contexts of two submissions at most; more is a guest gone wrong. */
const MAX_QUEUE = 64;
/** When a workload is given up. */
export interface HangLimits {
  /** How often a busy engine is looked at for progress, ns. */
  readonly checkNs: number;
  /** After how long without progress the engine counts as hung, ns. */
  readonly stuckNs: number;
  /** Longest run of one workload, progress or not: nobody may keep the engine for ever. */
  readonly runNs: number;
}
const HANG_LIMITS: HangLimits = { checkNs: NS_PER_S / 2, stuckNs: 6 * NS_PER_S, runNs: 20 * NS_PER_S };
/** Events of an engine, relative to its shift. */
const ENGINE_BITS = (1 << USER_INTERRUPT) | (1 << FLUSH_NOTIFY) | (1 << CONTEXT_SWITCH);

export interface ArbiterOptions {
  readonly gpu: Gpu;
  /** Time of the event being processed; stands still during it. */
  readonly clock: Clock;
  /** Time as it passes, for the accounts; from the same zero. */
  readonly realTime: Clock;
  /** GGTT page ranges that no vGPU is given. */
  readonly hostRanges: readonly { readonly firstPage: number; readonly pages: number }[];
  /** Per register dword: bit 0 commands may touch it, bit 1 a command's write goes through its handler. */
  readonly cmdAccess: Uint8Array;
  readonly hangLimits?: HangLimits;
  /** Test switch: lets a guest write any GGTT entry, to show that the isolation oracle notices. Never set otherwise. */
  readonly skipGgttAudit?: boolean;
}

interface Running {
  readonly client: Client;
  readonly workload: Workload;
  readonly prepared: Prepared;
  readonly contextId: number;
  readonly started: number;
  checked: number;
  progressed: number;
  lastHead: number;
  lastActhd: number;
}

interface Slot {
  readonly driver: EngineDriver;
  readonly ledger: EngineLedger;
  readonly policy: SchedulingPolicy;
  /** vGPU whose registers the engine holds. */
  owner: number;
  running: Running | null;
}

interface Done {
  readonly client: Client;
  readonly workload: Workload;
  readonly result: WorkloadResult;
  readonly reason: string | null;
  readonly rule: ScanCode | '';
}

export class Arbiter {
  readonly #gpu: Gpu;
  readonly #clock: Clock;
  readonly #realTime: Clock;
  readonly #gm: HostGm;
  readonly #dispatcher: Dispatcher;
  readonly #registers: RegisterSwitch;
  readonly #slots: (Slot | undefined)[] = [];
  /** By vGPU id. */
  readonly #clients: (Client | undefined)[] = [];
  readonly #audit: boolean;
  readonly #hang: HangLimits;
  readonly #scratchMfn: number;
  #interrupted = false;
  #serial = 0;
  #done: Done[] = [];
  /** Ended workloads: by vGPU, then engine name, then result. */
  readonly #results = new Map<number, Record<string, Record<string, number>>>();
  /** What the scanner did for guests that are gone, by vGPU. */
  readonly #scans = new Map<number, ScanStats>();

  constructor(options: ArbiterOptions) {
    const { gpu, clock } = options;
    this.#gpu = gpu;
    this.#clock = clock;
    this.#realTime = options.realTime;
    this.#audit = options.skipGgttAudit !== true;
    this.#hang = options.hangLimits ?? HANG_LIMITS;
    this.#gm = new HostGm(gpu, options.hostRanges);
    this.#dispatcher = new Dispatcher(gpu.platform, this.#gm, options.cmdAccess);
    this.#registers = new RegisterSwitch(gpu, gpu.platform);
    const scratch = gpu.allocate(1, OWNER_MEDIATOR);
    gpu.markScratch(scratch.mfn);
    this.#scratchMfn = scratch.mfn;
    gpu.onInterrupt = () => {
      this.#interrupted = true;
    };
    this.#takeDevice();
    for (const engine of gpu.platform.engines) {
      this.#slots[engine] = {
        driver: new EngineDriver(gpu, engine, this.#gm.allocate(1, OWNER_MEDIATOR)),
        ledger: new EngineLedger(options.realTime.now()),
        policy: new WeightedRoundRobin(),
        owner: 0,
        running: null,
      };
    }
  }

  /** Forcewake for good (the mediator never lets the device sleep) and GT interrupts on. */
  #takeDevice(): void {
    const gpu = this.#gpu;
    for (const offset of gpu.platform.gen === 9 ? [0xa278, 0xa270, 0xa188] : [0xa188]) gpu.write32(offset, 0x00010001);
    const used = new Map<number, number>();
    for (const engine of gpu.platform.engines) {
      const { group, shift } = ENGINE_EVENTS[engine];
      used.set(group, (used.get(group) ?? 0) | (ENGINE_BITS << shift));
    }
    for (const [group, bits] of used) {
      const { base } = INTERRUPT_GROUPS[group]!;
      gpu.write32(base + IRQ_IIR, 0xffffffff);
      gpu.write32(base + IRQ_IMR, ~bits >>> 0);
      gpu.write32(base + IRQ_IER, bits >>> 0);
    }
    gpu.write32(MASTER_IRQ, MASTER_ENABLE);
  }

  // ---- clients

  attach(parts: ClientParts): void {
    const client = new Client(parts);
    if (this.#clients[client.id]) throw new XengtError('XENGT_E_EXISTS', `vGPU ${client.id} is attached already`);
    this.#clients[client.id] = client;
    this.#scratchFill(client);
    for (const slot of this.#slots) slot?.policy.add(client.id, parts.grant.weight);
  }

  /** Takes everything back that was done for a vGPU; its memory is not touched again. */
  detach(vgpu: number): void {
    const client = this.#clients[vgpu];
    if (!client) return;
    this.reset(vgpu, this.#gpu.platform.engines);
    this.#done = this.#done.filter((done) => done.client !== client);
    this.#clients[vgpu] = undefined;
    for (const slot of this.#slots) {
      slot?.policy.remove(vgpu);
      if (slot?.owner === vgpu) slot.owner = 0;
    }
    for (let i = 0; i < client.parts.grant.fenceCount; i++) this.writeFence(vgpu, i, 0, 0);
    this.#scratchFill(client);
    client.parts.ppgtt.release();
    this.#dispatcher.release(client);
    this.#scans.set(vgpu, client.scanStats(this.#scans.get(vgpu) ?? NO_SCANS));
  }

  /** The vGPU itself goes: its number may be another's one day, who starts at zero. */
  forget(vgpu: number): void {
    this.#results.delete(vgpu);
    this.#scans.delete(vgpu);
  }

  /** Nothing of a guest's is left in the device's table: prefetchers reach past what a driver maps, so scratch stands there. */
  #scratchFill(client: Client): void {
    for (const [first, pages] of client.clearEntries()) {
      for (let page = first; page < first + pages; page++) this.#writeScratch(page);
    }
  }

  #writeScratch(page: number): void {
    this.#gpu.writeGgtt(page, (frameLo(this.#scratchMfn) | PTE_PRESENT | PTE_RW) >>> 0, frameHi(this.#scratchMfn));
  }

  // ---- what a vGPU may ask for

  /**
   * A complete guest GGTT entry. A foreign page is left as it is; an own page gets the machine frame of the guest frame that
   * the entry names, or scratch where it names none.
   * @returns false when refused: a foreign page, or a present entry where the guest has no memory
   */
  writeGgtt(vgpu: number, page: number, lo: number, hi: number): boolean {
    const client = this.#clients[vgpu];
    if (!client) return false;
    const slot = client.slot(page);
    if (slot < 0 && this.#audit) return false;
    if (slot >= 0) client.note(slot, lo, hi);
    const mfn = (lo & PTE_PRESENT) !== 0 ? client.parts.memory.mfnOf(frameOf(lo, hi)) : -1;
    if (mfn < 0) this.#writeScratch(page);
    else this.#gpu.writeGgtt(page, (frameLo(mfn) | (lo & PTE_ATTRIBUTES)) >>> 0, frameHi(mfn));
    return mfn >= 0 || (lo & PTE_PRESENT) === 0;
  }

  /**
   * A virtual fence, 0 to count - 1, as its two register halves. A fence changes how every access of the CPU to its range is
   * done, whoever makes it.
   * @returns false when refused: another's fence, or a range that is not the vGPU's own; the device's fence is then off
   */
  writeFence(vgpu: number, fence: number, lo: number, hi: number): boolean {
    const client = this.#clients[vgpu];
    const grant = client?.parts.grant;
    if (!grant || fence < 0 || fence >= grant.fenceCount) return false;
    const offset = FENCE_BASE + 8 * (grant.fenceStart + fence);
    // Invalid while it changes: low half (with the valid bit) last.
    this.#gpu.write32(offset, 0);
    if ((lo & FENCE_VALID) !== 0 && !client.ownsPages(lo >>> PAGE_SHIFT, hi >>> PAGE_SHIFT)) return false;
    this.#gpu.write32(offset + 4, hi);
    this.#gpu.write32(offset, lo);
    return true;
  }

  submit(workload: Workload): void {
    const client = this.#clients[workload.vgpu];
    if (!client) return;
    const queue = client.queue(workload.engine);
    if (queue.length >= MAX_QUEUE) {
      this.#finished(client, workload, 'rejected', `queue of ${ENGINES[workload.engine]!.name} is full (${MAX_QUEUE})`);
      return;
    }
    queue.push(workload);
  }

  /** Which engines' per-process batches are judged from now on. */
  setScanProcesses(vgpu: number, scanProcesses: ScanProcesses): void {
    const client = this.#clients[vgpu];
    if (client) client.scanProcesses = scanProcesses;
  }

  /** Drops what a vGPU has on the engines; a running workload of its own is aborted by an engine reset. */
  reset(vgpu: number, engines: readonly EngineId[]): void {
    const client = this.#clients[vgpu];
    if (!client) return;
    client.verdicts.clear();
    for (const engine of engines) {
      client.queues[engine] = [];
      const slot = this.#slots[engine];
      if (slot?.running?.client === client) this.#abort(engine, slot);
    }
    this.#done = this.#done.filter((done) => done.client !== client || !engines.includes(done.workload.engine));
  }

  /** A device register that a vGPU may see as it is: timestamps always, engine state while it owns the engine. */
  readRegister(vgpu: number, engine: EngineId, offset: number): number | null {
    const local = offset - ENGINES[engine]!.mmioBase;
    if (local === RING.TIMESTAMP || local === RING.TIMESTAMP_UDW) return this.#gpu.read32(offset);
    return this.#slots[engine]?.running?.client.id === vgpu ? this.#gpu.read32(offset) : null;
  }

  // ---- progress

  /** Handles the device's interrupts, ends and starts workloads, tells vGPUs. @returns whether anything happened */
  service(): boolean {
    let happened = false;
    if (this.#interrupted) {
      this.#interrupted = false;
      this.#handleInterrupts();
      happened = true;
    }
    const now = this.#clock.now();
    for (const engine of this.#gpu.platform.engines) {
      const slot = this.#slots[engine]!;
      if (slot.running && now >= slot.running.checked + this.#hang.checkNs) this.#watch(engine, slot, now);
      while (!slot.running && this.#start(engine, slot)) happened = true;
    }
    if (this.#done.length > 0) {
      const done = this.#done;
      this.#done = [];
      for (const { client, workload, result, reason, rule } of done) {
        client.parts.events.workloadDone(workload.engine, workload.tag, result, reason, rule);
      }
      happened = true;
    }
    return happened;
  }

  /** When service() has something to do, ns; 0 when it has now. */
  nextDue(): number {
    if (this.#interrupted || this.#done.length > 0) return 0;
    let due = NEVER;
    for (const slot of this.#slots) {
      if (slot?.running) due = Math.min(due, slot.running.checked + this.#hang.checkNs);
      else if (slot && this.#queued(slot.driver.engine)) return 0;
    }
    return due;
  }

  #queued(engine: EngineId): boolean {
    for (const client of this.#clients) if ((client?.queues[engine]?.length ?? 0) > 0) return true;
    return false;
  }

  #handleInterrupts(): void {
    const gpu = this.#gpu;
    gpu.write32(MASTER_IRQ, 0);
    for (const engine of gpu.platform.engines) {
      const { group, shift } = ENGINE_EVENTS[engine];
      const iir = INTERRUPT_GROUPS[group]!.base + IRQ_IIR;
      const bits = (gpu.read32(iir) >>> shift) & ENGINE_BITS;
      if (bits === 0) continue;
      gpu.write32(iir, (bits << shift) >>> 0);
      const slot = this.#slots[engine]!;
      const running = slot.running;
      const toGuest = bits & ~(1 << CONTEXT_SWITCH);
      if (running && toGuest !== 0) running.client.parts.events.engineInterrupt(engine, toGuest);
      if ((bits & (1 << CONTEXT_SWITCH)) !== 0 && slot.driver.completed(running?.contextId ?? 0) && running) {
        const fault = this.#saveContext(running);
        this.#end(engine, slot, fault === null ? 'complete' : 'rejected', fault);
      }
    }
    gpu.write32(MASTER_IRQ, MASTER_ENABLE);
  }

  #start(engine: EngineId, slot: Slot): boolean {
    const vgpu = slot.policy.pick((id) => (this.#clients[id]?.queues[engine]?.length ?? 0) > 0);
    const client = this.#clients[vgpu];
    const workload = client?.queue(engine).shift();
    if (!client || !workload) return false;
    slot.ledger.enter(SWITCHING, this.#realTime.now());
    let prepared: Prepared;
    try {
      prepared = this.#dispatcher.prepare(client, workload);
    } catch (error) {
      const refusal = error instanceof ScanRefusal ? error : null;
      const ofProcess = refusal?.ofProcess ?? false;
      this.#finished(client, workload, ofProcess ? 'dropped' : 'rejected', rejection(error), refusal?.rule);
      if (ofProcess) this.#dropQueue(client, engine, 'work before it was refused');
      slot.ledger.enter(IDLE, this.#realTime.now());
      return true;
    }
    if (slot.owner !== vgpu) {
      const previous = this.#clients[slot.owner];
      if (previous) this.#registers.save(engine, previous.parts.bank);
      else this.#registers.forget(engine);
      this.#registers.restore(engine, client.parts.bank);
      slot.owner = vgpu;
    }
    // Ids differ from one submission to the next, so that a late event can not end the wrong workload.
    this.#serial = (this.#serial + 1) & 0xfffff;
    const now = this.#clock.now();
    slot.running = {
      client,
      workload,
      prepared,
      contextId: this.#serial,
      started: now,
      checked: now,
      progressed: now,
      lastHead: -1,
      lastActhd: -1,
    };
    slot.ledger.enter(vgpu, this.#realTime.now());
    slot.driver.submit(prepared.descriptor, this.#serial);
    return false;
  }

  /** @returns what went wrong, or null */
  #saveContext({ client, workload }: Running): string | null {
    try {
      this.#dispatcher.saveContext(client, workload);
      return null;
    } catch (error) {
      return rejection(error);
    }
  }

  #end(engine: EngineId, slot: Slot, result: WorkloadResult, reason: string | null): void {
    const running = slot.running!;
    slot.policy.charge(running.client.id, slot.ledger.enter(IDLE, this.#realTime.now()));
    slot.running = null;
    this.#dispatcher.finish(running.client, running.prepared);
    this.#finished(running.client, running.workload, result, reason);
    if (result === 'hung') this.#dropQueue(running.client, engine, 'the engine was reset after a hang');
  }

  /** What waits behind lost work goes with it, and the vGPU is told, or it would wait for answers that never come. */
  #dropQueue(client: Client, engine: EngineId, reason: string): void {
    for (const workload of client.queue(engine).splice(0)) this.#finished(client, workload, 'dropped', reason);
  }

  #abort(engine: EngineId, slot: Slot): void {
    slot.driver.reset();
    this.#end(engine, slot, 'dropped', 'engine reset by the guest');
    slot.owner = 0;
    this.#registers.forget(engine);
  }

  /** Looks for progress; an engine that shows none, or a workload without end, is reset. */
  #watch(engine: EngineId, slot: Slot, now: number): void {
    const running = slot.running!;
    const head = slot.driver.read(RING.HEAD);
    const acthd = slot.driver.read(RING.ACTHD);
    if (head !== running.lastHead || acthd !== running.lastActhd) running.progressed = now;
    running.lastHead = head;
    running.lastActhd = acthd;
    running.checked = now;
    const { stuckNs, runNs } = this.#hang;
    const stuck = now - running.progressed >= stuckNs;
    if (!stuck && now - running.started < runNs) return;
    const what = stuck ? `no progress for ${stuckNs / NS_PER_S} s` : `still running after ${runNs / NS_PER_S} s`;
    slot.driver.reset();
    this.#end(engine, slot, 'hung', `${ENGINES[engine]!.name}: ${what} at ring head 0x${head.toString(16)}`);
    slot.owner = 0;
    this.#registers.forget(engine);
  }

  #finished(
    client: Client,
    workload: Workload,
    result: WorkloadResult,
    reason: string | null,
    rule: ScanCode | '' = '',
  ): void {
    const byEngine = this.#results.get(client.id) ?? {};
    this.#results.set(client.id, byEngine);
    const { name } = ENGINES[workload.engine]!;
    const byResult = byEngine[name] ?? {};
    byEngine[name] = byResult;
    byResult[result] = (byResult[result] ?? 0) + 1;
    this.#done.push({ client, workload, result, reason, rule });
  }

  // ---- accounts

  /** Ended workloads of a vGPU by engine name and result; undefined when it never had any. */
  results(vgpu: number): Readonly<Record<string, Readonly<Record<string, number>>>> | undefined {
    return this.#results.get(vgpu);
  }

  /** What the scanner did for a vGPU, since it was made. */
  scanStats(vgpu: number): ScanStats {
    const before = this.#scans.get(vgpu) ?? NO_SCANS;
    return this.#clients[vgpu]?.scanStats(before) ?? before;
  }

  busySeconds(vgpu: number, engine: EngineId): number {
    return this.#slots[engine]?.ledger.busySeconds(vgpu, this.#realTime.now()) ?? 0;
  }

  engineTotals(engine: EngineId): { busy: number; idle: number; switching: number; total: number } {
    return this.#slots[engine]!.ledger.totals(this.#realTime.now());
  }

  /** GMADR of the guest's own status page on an engine. @returns false when it is not the guest's */
  setHwsp(vgpu: number, engine: EngineId, gmadr: number): boolean {
    const client = this.#clients[vgpu];
    if (!client || (gmadr !== 0 && client.slot(gmadr >>> 12) < 0)) return false;
    client.hwsp[engine] = gmadr;
    return true;
  }
}

/** Why a workload is rejected. A fault of ours that one guest's memory brings out costs that guest its vGPU, not everybody. */
function rejection(error: unknown): string {
  return error instanceof XengtError ? error.message : `internal error: ${reasonOf(error)}`;
}
