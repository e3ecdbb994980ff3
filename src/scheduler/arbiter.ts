/**
 * The arbiter: the one face through which vGPUs reach what they share. Calls carry plain values; each is checked against
 * the arbiter's own record of what the caller owns. Answers come back as events, delivered by service().
 */
import { type Clock, PAGE_SHIFT, XengtError } from '../base/index.js';
import { type Gpu, OWNER_MEDIATOR } from '../gpu/index.js';
import {
  ENGINES,
  type EngineId,
  FENCE_BASE,
  FENCE_VALID,
  type GgttFormat,
  ggttFormat,
  PTE_PRESENT,
  RING,
} from '../hw/index.js';
import { Client, type ClientParts, type CopiedBytes, nothingCopied } from './client.js';
import { Dispatcher } from './dispatch.js';
import { EngineDriver } from './engine-driver.js';
import type { EngineShare } from './engine-slot.js';
import { type DeviceFaults, Engines, type Results } from './engines.js';
import { HostGm } from './host-gm.js';
import { IdleContext } from './idle-context.js';
import type { EngineTotals } from './ledger.js';
import { createPolicy, PLAIN_SHARE, type PolicyName, type Share } from './policy/index.js';
import type { ScanProcesses } from './process-batches.js';
import { RingDispatcher } from './ring-dispatch.js';
import { RingDriver } from './ring-driver.js';
import { NO_SCANS, type ScanStats } from './scan-stats.js';
import type { Stretch } from './timeline.js';
import { createTurns, type Turns } from './turns.js';
import { HANG_LIMITS, type HangLimits } from './watch.js';
import type { WorkDispatcher } from './work.js';
import type { Workload } from './workload.js';

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
  /** Default: 'shares'. */
  readonly policy?: PolicyName;
  /** For vGPUs of which nothing else is said. */
  readonly hangLimits?: HangLimits;
  /** Test switch: lets a guest write any GGTT entry, to show that the isolation oracle notices. Never set otherwise. */
  readonly skipGgttAudit?: boolean;
}

export class Arbiter {
  readonly #gpu: Gpu;
  readonly #clock: Clock;
  readonly #realTime: Clock;
  readonly #dispatcher: WorkDispatcher;
  readonly #turns: Turns;
  readonly #engines: Engines;
  /** By vGPU id. */
  readonly #clients: (Client | undefined)[] = [];
  /** What the operator gave each vGPU, by id, whether it has a guest or not. */
  readonly #shares: (Share | undefined)[] = [];
  readonly #limits: (HangLimits | undefined)[] = [];
  readonly #audit: boolean;
  readonly #format: GgttFormat;
  readonly #scratchMfn: number;
  /** What the scanner did for guests that are gone, by vGPU. */
  readonly #scans = new Map<number, ScanStats>();
  /** What was copied for each vGPU's workloads, since it was made. */
  readonly #copied = new Map<number, CopiedBytes>();

  constructor(options: ArbiterOptions) {
    const { gpu, clock, realTime } = options;
    this.#gpu = gpu;
    this.#format = ggttFormat(gpu.platform);
    this.#clock = clock;
    this.#realTime = realTime;
    this.#audit = options.skipGgttAudit !== true;
    const gm = new HostGm(gpu, options.hostRanges);
    const rings = gpu.platform.submission === 'rings';
    this.#dispatcher = rings
      ? new RingDispatcher(gpu, gm, options.cmdAccess)
      : new Dispatcher(gpu.platform, gm, options.cmdAccess);
    const scratch = gpu.allocate(1, OWNER_MEDIATOR);
    gpu.markScratch(scratch.mfn);
    this.#scratchMfn = scratch.mfn;
    this.#turns = createTurns(gpu.platform, () => createPolicy(options.policy ?? 'shares'));
    const otherwise = options.hangLimits ?? HANG_LIMITS;
    this.#engines = new Engines({
      gpu,
      clock,
      realTime,
      dispatcher: this.#dispatcher,
      driverOf: (engine) =>
        rings
          ? new RingDriver(gpu, engine)
          : new EngineDriver(gpu, engine, gm.allocate(1, OWNER_MEDIATOR), new IdleContext(gpu.platform, engine, gm)),
      turns: this.#turns,
      clients: this.#clients,
      limitsOf: (vgpu) => this.#limits[vgpu] ?? otherwise,
    });
  }

  // ---- clients

  attach(parts: ClientParts): void {
    const { vgpu } = parts.grant;
    if (this.#clients[vgpu]) throw new XengtError('XENGT_E_EXISTS', `vGPU ${vgpu} is attached already`);
    const copied = this.#copied.get(vgpu) ?? nothingCopied();
    this.#copied.set(vgpu, copied);
    const client = new Client(parts, copied, this.#format);
    this.#clients[client.id] = client;
    this.#scratchFill(client);
    const share = this.#shares[client.id] ?? { ...PLAIN_SHARE, weight: parts.grant.weight };
    this.#turns.add(client.id, share, this.#clock.now());
  }

  /** Takes everything back that was done for a vGPU; its memory is not touched again. */
  detach(vgpu: number): void {
    const client = this.#clients[vgpu];
    if (!client) return;
    this.reset(vgpu, this.#gpu.platform.engines);
    this.#engines.leave(client);
    for (let i = 0; i < client.parts.grant.fenceCount; i++) this.writeFence(vgpu, i, 0, 0);
    this.#clients[vgpu] = undefined;
    this.#turns.remove(vgpu);
    this.#scratchFill(client);
    client.parts.ppgtt.release();
    this.#dispatcher.release(client);
    this.#scans.set(vgpu, client.scanStats(this.#scans.get(vgpu) ?? NO_SCANS));
  }

  /** The vGPU itself goes: its number may be another's one day, who starts at zero. */
  forget(vgpu: number): void {
    this.#engines.results.delete(vgpu);
    this.#scans.delete(vgpu);
    this.#copied.delete(vgpu);
    this.#shares[vgpu] = undefined;
    this.#limits[vgpu] = undefined;
    for (const slot of this.#engines.slots) slot?.forget(vgpu);
  }

  /** What a vGPU is to have of each engine: at once where it has no guest yet, else from the next period on. */
  setShare(vgpu: number, share: Share): void {
    this.#shares[vgpu] = share;
    if (this.#clients[vgpu]) this.#turns.change(vgpu, share);
  }

  /** When its workloads are given up; for those that are submitted from now on. */
  setHangLimits(vgpu: number, limits: HangLimits): void {
    this.#limits[vgpu] = limits;
  }

  /** Its hangs so far are not held against a vGPU any more. */
  pardon(vgpu: number): void {
    this.#clients[vgpu]?.strikes.pardon();
  }

  /** Nothing of a guest's is left in the device's table: prefetchers reach past what a driver maps, so scratch stands there. */
  #scratchFill(client: Client): void {
    for (const [first, pages] of client.clearEntries()) {
      for (let page = first; page < first + pages; page++) this.#writeScratch(page);
    }
  }

  #writeScratch(page: number): void {
    const { plain } = this.#format;
    this.#gpu.writeGgtt(page, this.#format.lo(this.#scratchMfn, plain), this.#format.hi(this.#scratchMfn));
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
    const mfn = (lo & PTE_PRESENT) !== 0 ? client.parts.memory.mfnOf(this.#format.frameOf(lo, hi)) : -1;
    if (mfn < 0) this.#writeScratch(page);
    else this.#gpu.writeGgtt(page, this.#format.lo(mfn, lo), this.#format.hi(mfn));
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
    if (client) this.#engines.submit(client, workload);
  }

  /** Which engines' per-process batches are judged from now on. */
  setScanProcesses(vgpu: number, scanProcesses: ScanProcesses): void {
    const client = this.#clients[vgpu];
    if (client) client.scanProcesses = scanProcesses;
  }

  /**
   * Drops what a vGPU has on the engines; a running workload of its own is aborted by an engine reset.
   * @param givenUp by the guest's own driver: it takes what runs for a hang
   */
  reset(vgpu: number, engines: readonly EngineId[], givenUp = false): void {
    const client = this.#clients[vgpu];
    if (!client) return;
    client.verdicts.clear();
    this.#engines.reset(client, engines, givenUp);
  }

  /** A device register that a vGPU may see as it is: timestamps always, engine state while it owns the engine. */
  readRegister(vgpu: number, engine: EngineId, offset: number): number | null {
    const local = offset - ENGINES[engine]!.mmioBase;
    if (local === RING.TIMESTAMP || local === RING.TIMESTAMP_UDW) return this.#gpu.read32(offset);
    return this.#engines.slots[engine]?.running?.client.id === vgpu ? this.#gpu.read32(offset) : null;
  }

  // ---- progress

  /** Handles the device's interrupts, ends and starts workloads, tells vGPUs. @returns whether anything happened */
  service(): boolean {
    return this.#engines.service();
  }

  /** When service() has something to do, ns; 0 when it has now. */
  nextDue(): number {
    return this.#engines.nextDue();
  }

  // ---- accounts

  /** Ended workloads of a vGPU by engine name and result; undefined when it never had any. */
  results(vgpu: number): Readonly<Results> | undefined {
    return this.#engines.results.get(vgpu);
  }

  /** What the scanner did for a vGPU, since it was made. */
  scanStats(vgpu: number): ScanStats {
    const before = this.#scans.get(vgpu) ?? NO_SCANS;
    return this.#clients[vgpu]?.scanStats(before) ?? before;
  }

  /** What was copied for a vGPU's workloads, since it was made. */
  copiedBytes(vgpu: number): Readonly<CopiedBytes> {
    return this.#copied.get(vgpu) ?? nothingCopied();
  }

  busySeconds(vgpu: number, engine: EngineId): number {
    return this.#engines.slots[engine]?.ledger.busySeconds(vgpu, this.#realTime.now()) ?? 0;
  }

  /** Where a vGPU's time on an engine went. */
  engineShare(vgpu: number, engine: EngineId): EngineShare {
    return this.#engines.slots[engine]!.share(vgpu, this.#realTime.now());
  }

  get deviceFaults(): Readonly<DeviceFaults> {
    return this.#engines.faults;
  }

  /** Times that an engine was reset, for a guest that asked or after a hang. */
  engineResets(engine: EngineId): number {
    return this.#engines.slots[engine]!.resets;
  }

  /** Who ran on an engine after `since`, ns of the accounts' clock. */
  engineTimeline(engine: EngineId, since: number): Stretch[] {
    return this.#engines.slots[engine]!.ledger.timeline.after(since);
  }

  engineTotals(engine: EngineId): EngineTotals {
    return this.#engines.slots[engine]!.ledger.totals(this.#realTime.now());
  }

  /** GMADR of the guest's own status page on an engine. @returns false when it is not the guest's */
  setHwsp(vgpu: number, engine: EngineId, gmadr: number): boolean {
    const client = this.#clients[vgpu];
    if (!client || (gmadr !== 0 && client.slot(gmadr >>> 12) < 0)) return false;
    client.hwsp[engine] = gmadr;
    return true;
  }
}
