/**
 * One vGPU as its guest sees it. Composes the register file, the GGTT slice, PCI configuration, interrupts, submission
 * ports, PVINFO, the aperture and the display, and answers every trap. What is shared it reaches through the arbiter only.
 */
import { type Clock, type GuestMemory, NEVER, PAGE_SIZE, reasonOf, XengtError } from '../base/index.js';
import type { Gpu } from '../gpu/index.js';
import { GgttSlice, type ShadowAudit, ShadowPpgtt } from '../gtt/index.js';
import { ENGINES, type EngineId, FENCE_BASE, type Grant, ggttFormat, type Platform } from '../hw/index.js';
import type { GuestPort, PlainRegisters, Space, TrapSink } from '../hypervisor/index.js';
import { type Policy, RegisterFile } from '../mmio/index.js';
import type { Arbiter, ArbiterEvents, ScanProcesses, WorkloadResult } from '../scheduler/index.js';
import { Aperture } from './aperture.js';
import { Display, type OutputSetup } from './display/index.js';
import { engineAt } from './engine-at.js';
import { ExeclistPort } from './execlist.js';
import { VirtualInterrupts } from './interrupts.js';
import { OpRegion } from './opregion.js';
import { PciConfig } from './pci-config.js';
import { Pvinfo } from './pvinfo.js';
import { RingPort } from './ring-port.js';
import { type PageTables, trackingOf } from './write-tracking.js';

export interface VgpuOptions {
  readonly grant: Grant;
  readonly platform: Platform;
  readonly policy: Policy<Vgpu>;
  readonly gpu: Gpu;
  readonly arbiter: Arbiter;
  readonly clock: Clock;
  readonly monitor: boolean;
  readonly edid: Uint8Array;
  readonly outputs?: readonly OutputSetup[] | undefined;
  /** Default: 'needed'. */
  readonly scanProcesses?: ScanProcesses | undefined;
  /** Default: 'auto'. */
  readonly pageTables?: PageTables | undefined;
}

/** Where a trap landed, for the counters. */
export const TRAP_KINDS = ['mmio', 'ggtt', 'aperture', 'config'] as const;
const MMIO = 0;
const GGTT = 1;
const APERTURE = 2;
const CONFIG = 3;

const MMIO_BYTES = 0x200000;
/** A guest's page tables for 2 GiB of mappings take 4 MiB; this bounds what a hostile one can make the mediator hold. */
export const MAX_SHADOW_PAGES = 16384;

/** 64 KiB pages of per-process tables, on for all engines or for none. Source: public i915 intel_gt_regs.h. */
const GAMW_ECO = 0x4080;
const GAMW_ECO_64K = 0xf;

/** Resets of a guest's device as a whole (by its VMM, or when it attaches), and of engines by its driver. */
export interface ResetCounts {
  device: number;
  engine: number;
}

export class Vgpu implements TrapSink, ArbiterEvents {
  readonly platform: Platform;
  readonly grant: Grant;
  readonly regs: RegisterFile<Vgpu>;
  readonly bank: Uint32Array;
  readonly ggtt: GgttSlice;
  readonly pci: PciConfig;
  readonly irq: VirtualInterrupts;
  readonly pvinfo: Pvinfo;
  readonly display: Display;
  /** High half of the last 8-byte read. */
  readHi = 0;
  /** The guest has read PVINFO: its driver knows that it drives a vGPU. */
  notified = false;
  /** Reads at 2 × kind, writes at 2 × kind + 1. */
  readonly traps = new Float64Array(2 * TRAP_KINDS.length);
  /** Of those, reads of plain registers that an adapter answered by itself. */
  plainReads = 0;
  /** Since the vGPU was made. */
  readonly resets: ResetCounts = { device: 0, engine: 0 };
  timesInFailsafe = 0;
  readonly refusals = new Map<string, number>();
  /** For adapters that answer plain reads by themselves; those count as traps all the same. */
  readonly plainRegisters: PlainRegisters;
  /** How guests' page tables are followed. */
  readonly pageTables: PageTables;
  /** Why the last workload that was given up did not end, though the vGPU goes on: a hang, or what a process asked for. */
  lastDropped: string | null = null;

  readonly #options: VgpuOptions;
  readonly #ports: (ExeclistPort | RingPort | undefined)[] = [];
  /** Of the GGTT's entries in BAR 0. */
  readonly #ggttOffset: number;
  readonly #aperture: Aperture;
  readonly #opregion: OpRegion;
  #guest: GuestPort | null = null;
  #ppgtt: ShadowPpgtt | null = null;
  /** Refused page-table entries of guests that are gone. */
  #refusedEntries = 0;
  #failsafe: string | null = null;
  #scanProcesses: ScanProcesses;

  constructor(options: VgpuOptions) {
    const { grant, platform } = options;
    this.#options = options;
    this.platform = platform;
    this.#ggttOffset = platform.bar0Bytes / 2;
    this.grant = grant;
    this.#scanProcesses = options.scanProcesses ?? 'needed';
    this.pageTables = options.pageTables ?? 'auto';
    this.regs = new RegisterFile<Vgpu>(options.policy, this);
    this.bank = this.regs.bank;
    this.plainRegisters = {
      bank: this.bank,
      plain: options.policy.plainReads,
      answered: (reads) => {
        this.traps[2 * MMIO]! += reads;
        this.plainReads += reads;
      },
    };
    this.ggtt = new GgttSlice(
      {
        ranges: [
          { firstPage: grant.lowStart / PAGE_SIZE, pages: grant.lowBytes / PAGE_SIZE },
          { firstPage: grant.highStart / PAGE_SIZE, pages: grant.highBytes / PAGE_SIZE },
        ],
        totalEntries: platform.ggttEntries,
        format: ggttFormat(platform),
      },
      { setEntry: (page, lo, hi) => this.#setGgttEntry(page, lo, hi) },
    );
    this.irq = new VirtualInterrupts(this.bank, platform, (asserted) => this.#deliver(asserted));
    this.#opregion = new OpRegion(platform);
    this.pci = new PciConfig(
      { platform, apertureBytes: options.gpu.apertureBytes },
      {
        onAsls: (gpa) => void this.#opregion.place(this.memory, gpa),
        onSwsci: () => this.#opregion.serveSwsci(this.memory),
        onBarMoved: (bar, address) => this.#guest?.barMoved?.(bar, address),
        onMemoryDecode: (enabled) => this.#guest?.memoryDecode?.(enabled),
      },
    );
    this.pvinfo = new Pvinfo(this);
    const { monitor, edid, outputs = [] } = options;
    // A DisplayPort monitor answers on AUX only: answering on the DDC pins too would show an HDMI monitor on the same port.
    this.display = new Display(this, { monitor, edid, outputs, ddc: false });
    this.#aperture = new Aperture(this);
    const rings = platform.submission === 'rings';
    for (const engine of platform.engines) {
      this.#ports[engine] = rings ? new RingPort(this, engine) : new ExeclistPort(this, engine);
    }
    this.#initialise();
  }

  get id(): number {
    return this.grant.vgpu;
  }

  get memory(): GuestMemory {
    return this.#guest?.memory ?? NO_MEMORY;
  }

  get state(): 'waiting' | 'attached' | 'failsafe' {
    if (this.#failsafe !== null) return 'failsafe';
    return this.#guest ? 'attached' : 'waiting';
  }

  /** Any engine has a submission of this vGPU. */
  get busy(): boolean {
    return this.#ports.some((port) => port !== undefined && !port.idle);
  }

  /** The engine whose registers are at `offset` has two submissions already. */
  queueFull(offset: number): boolean {
    return this.#ports[engineAt(offset)]?.full ?? false;
  }

  get reason(): string | null {
    return this.#failsafe;
  }

  /** Which engines' per-process batches are judged. */
  get scanProcesses(): ScanProcesses {
    return this.#scanProcesses;
  }

  set scanProcesses(asked: ScanProcesses) {
    this.#scanProcesses = asked;
    this.#options.arbiter.setScanProcesses(this.id, asked);
  }

  get shadowPages(): number {
    return this.#ppgtt?.shadowPages ?? 0;
  }

  /** Guest addresses of the root tables of its per-process address spaces. */
  get addressSpaces(): readonly (readonly number[])[] {
    return this.#ppgtt?.roots.map(({ pdps }) => pdps) ?? [];
  }

  /** Submissions that an engine's port holds. */
  held(engine: EngineId): 0 | 1 | 2 {
    const port = this.#ports[engine];
    return port === undefined || port.idle ? 0 : port.full ? 2 : 1;
  }

  /** Whether the shadow page tables say what the guest's say; null without a guest. @throws XengtError XENGT_E_PPGTT */
  auditPageTables(): ShadowAudit | null {
    return this.#ppgtt?.audit() ?? null;
  }

  // ---- life

  attach(guest: GuestPort): void {
    if (this.#guest) throw new XengtError('XENGT_E_BUSY', `vGPU ${this.id} has a guest already`);
    const { gpu, arbiter } = this.#options;
    const pool = {
      allocate: (pages: number) => gpu.allocate(pages, this.id),
      free: (pages: ReturnType<Gpu['allocate']>) => gpu.free(pages),
    };
    const ppgtt = new ShadowPpgtt({
      guest: guest.memory,
      pool,
      maxShadowPages: MAX_SHADOW_PAGES,
      strategy: trackingOf(guest, this.pageTables),
    });
    try {
      gpu.attachMemory(this.id, guest.memory);
    } catch (error) {
      ppgtt.release();
      throw error;
    }
    this.#guest = guest;
    this.#ppgtt = ppgtt;
    arbiter.attach({
      grant: this.grant,
      memory: guest.memory,
      bank: this.bank,
      ppgtt,
      events: this,
      scanProcesses: this.#scanProcesses,
    });
    this.lastDropped = null;
    // In whichever power state the last guest was when it went.
    this.pci.d3Entered = false;
    this.reset();
  }

  /** The guest is gone: everything done for it is undone before its memory goes. */
  detach(): void {
    if (!this.#guest) return;
    this.#options.arbiter.detach(this.id);
    this.#options.gpu.detachMemory(this.id);
    this.#guest = null;
    this.#refusedEntries += this.#refusedNow();
    this.#ppgtt = null;
    this.#failsafe = null;
    this.#initialise();
  }

  /** Device reset (FLR, VMM reset): back to the state of a vGPU that was just made, also out of failsafe. */
  reset(): void {
    const { arbiter } = this.#options;
    // A reset out of D3 is part of a resume: the guest neither announces its address spaces nor looks at PVINFO again, and i915 of
    // Linux 6.1 reads the GGTT's last entry and takes the others to have lasted, as hardware has them in memory (seen in a journal
    // of it). A guest that has lost its vGPU has nothing to resume.
    const resumes = this.pci.d3Entered && this.#failsafe === null;
    const known = resumes && this.notified;
    this.resets.device++;
    arbiter.reset(this.id, this.platform.engines);
    if (!resumes) {
      this.ggtt.invalidateAll();
      this.#ppgtt?.destroyAll();
    }
    for (let i = 0; i < this.grant.fenceCount; i++) arbiter.writeFence(this.id, i, 0, 0);
    for (const engine of this.platform.engines) arbiter.setHwsp(this.id, engine, 0);
    this.#failsafe = null;
    this.pci.reset();
    this.#opregion.reset();
    this.#initialise();
    this.notified = known;
  }

  #initialise(): void {
    this.regs.reset('device');
    this.notified = false;
    this.display.initRegisters();
    this.pvinfo.populate();
    for (const port of this.#ports) port?.reset();
    this.#aperture.fencesChanged();
    this.irq.reset();
  }

  /** GDRST: the guest resets engines of its vGPU; a full reset also puts the GT registers back. */
  resetEngines(engines: readonly EngineId[], full: boolean): void {
    this.resets.engine += engines.length;
    this.#options.arbiter.reset(this.id, engines, true);
    if (full) {
      this.regs.reset('gt');
      this.pvinfo.populate();
    }
    for (const engine of engines) this.#ports[engine]?.reset();
    this.irq.changed();
  }

  failsafe(reason: string): void {
    if (this.#failsafe !== null) return;
    this.#failsafe = reason;
    this.timesInFailsafe++;
    this.#options.arbiter.reset(this.id, this.platform.engines);
    for (const port of this.#ports) port?.reset();
    this.#guest?.fail(reason);
  }

  /**
   * Something of ours threw while it served this guest: the guest loses its vGPU, everybody else goes on. Where it happened
   * goes into the reason, for nobody else will see it.
   */
  fault(error: unknown): void {
    if (error instanceof XengtError) {
      this.failsafe(reasonOf(error));
      return;
    }
    const at = error instanceof Error ? (error.stack?.split('\n')[1]?.trim() ?? '') : '';
    this.failsafe(`internal error: ${reasonOf(error)} ${at}`.trim());
  }

  refuse(rule: string): void {
    this.refusals.set(rule, (this.refusals.get(rule) ?? 0) + 1);
  }

  #refusedNow(): number {
    return this.#ppgtt?.refused['ppgtt-no-memory'] ?? 0;
  }

  /** Refused guest actions by rule, of all parts. */
  allRefusals(): Record<string, number> {
    const all: Record<string, number> = {
      ...Object.fromEntries(this.refusals),
      ...this.ggtt.refused,
      ...this.pci.refused,
      ...this.#opregion.refused,
      'ppgtt-no-memory': this.#refusedEntries + this.#refusedNow(),
    };
    for (const rule of Object.keys(all)) if (all[rule] === 0) delete all[rule];
    return all;
  }

  /** The guest's memory was mapped or unmapped anew: frames that entries named may be others now. */
  memoryChanged(): void {
    this.ggtt.resend();
    this.#ppgtt?.invalidateAll();
  }

  // ---- traps

  read(space: Space, offset: number, bytes: number): number {
    this.readHi = 0;
    if (space === 0) {
      if (offset < MMIO_BYTES) {
        this.traps[2 * MMIO]!++;
        return this.#readRegister(offset, bytes);
      }
      if (offset >= this.#ggttOffset && offset < this.platform.bar0Bytes) {
        this.traps[2 * GGTT]!++;
        const lo = this.ggtt.read(offset - this.#ggttOffset, bytes);
        this.readHi = this.ggtt.readHi;
        return lo;
      }
      this.refuse('bar0-hole');
      return 0;
    }
    if (space === 2) {
      this.traps[2 * APERTURE]!++;
      const lo = this.#aperture.read(offset, bytes);
      this.readHi = this.#aperture.readHi;
      return lo;
    }
    this.traps[2 * CONFIG]!++;
    const value = this.pci.read(offset, bytes);
    this.readHi = this.pci.readHi;
    return value;
  }

  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    if (space === 0) {
      if (offset < MMIO_BYTES) {
        this.traps[2 * MMIO + 1]!++;
        this.#writeRegister(offset, bytes, lo, hi);
      } else if (offset >= this.#ggttOffset && offset < this.platform.bar0Bytes) {
        this.traps[2 * GGTT + 1]!++;
        if (this.#failsafe === null) this.ggtt.write(offset - this.#ggttOffset, bytes, lo, hi);
      } else {
        this.refuse('bar0-hole');
      }
    } else if (space === 2) {
      this.traps[2 * APERTURE + 1]!++;
      this.#aperture.write(offset, bytes, lo, hi);
    } else {
      this.traps[2 * CONFIG + 1]!++;
      this.pci.write(offset, bytes, lo, hi);
    }
  }

  readConfigBlock(offset: number, into: Uint8Array): void {
    this.traps[2 * CONFIG]!++;
    for (let i = 0; i < into.length; i++) into[i] = this.pci.read(offset + i, 1);
  }

  #readRegister(offset: number, bytes: number): number {
    const value = this.#failsafe === null ? this.regs.read(offset, bytes) : this.regs.peek(offset, bytes);
    this.readHi = this.regs.readHi;
    return value;
  }

  #writeRegister(offset: number, bytes: number, lo: number, hi: number): void {
    // In failsafe the registers are memory and nothing else: the guest finds what it wrote, and nothing happens.
    if (this.#failsafe === null) this.regs.write(offset, bytes, lo, hi);
    else this.regs.poke(offset, bytes, lo, hi);
  }

  #setGgttEntry(page: number, lo: number, hi: number): void {
    if (!this.#options.arbiter.writeGgtt(this.id, page, lo, hi)) this.refuse('ggtt-no-memory');
  }

  // ---- what registers reach

  port(engine: EngineId | -1): ExeclistPort | undefined {
    const port = this.#ports[engine];
    return port instanceof ExeclistPort ? port : undefined;
  }

  ring(engine: EngineId | -1): RingPort | undefined {
    const port = this.#ports[engine];
    return port instanceof RingPort ? port : undefined;
  }

  now(): number {
    return this.#options.clock.now();
  }

  gfnOfGmadrPage(page: number): number {
    return this.ggtt.gfnOf(page);
  }

  raise(event: Parameters<VirtualInterrupts['raiseDisplay']>[0], pipe = 0): void {
    this.irq.raiseDisplay(event, pipe);
  }

  contextSwitched(engine: EngineId): void {
    this.irq.raiseContextSwitch(engine);
  }

  setHwsp(engine: EngineId | -1, gmadr: number): boolean {
    return engine !== -1 && this.#options.arbiter.setHwsp(this.id, engine, gmadr);
  }

  submit(workload: Omit<Parameters<Arbiter['submit']>[0], 'vgpu'>): void {
    this.pci.d3Entered = false;
    if (this.#ppgtt) this.#ppgtt.allow64K = (this.bank[GAMW_ECO >>> 2]! & GAMW_ECO_64K) !== 0;
    this.#options.arbiter.submit({ ...workload, vgpu: this.id });
  }

  fenceChanged(fence: number): void {
    const at = (FENCE_BASE >>> 2) + 2 * fence;
    if (!this.#options.arbiter.writeFence(this.id, fence, this.bank[at]!, this.bank[at + 1]!)) {
      this.refuse('fence-address');
    }
    this.#aperture.fencesChanged();
  }

  /** A fence beyond the own ones. A driver that never read PVINFO takes the device for its own: it has lost its vGPU. */
  foreignFence(): number {
    if (this.notified) this.refuse('fence-range');
    else this.failsafe('fence of another vGPU used by a driver that never looked at PVINFO');
    return 0;
  }

  deviceRegister(engine: EngineId | -1, offset: number): number {
    // Some state registers lie outside of the engines' blocks; those are the guest's own copies.
    const device = engine === -1 ? null : this.#options.arbiter.readRegister(this.id, engine, offset);
    return device ?? this.bank[offset >>> 2]!;
  }

  /** Shadow page tables hold nothing between submissions that an invalidation could miss. */
  tlbInvalidate(): void {}

  displayReady(): void {
    this.notified = true;
  }

  createPpgtt(levels: 3 | 4, pdps: number[]): void {
    try {
      this.#ppgtt?.create(levels, pdps);
    } catch (error) {
      if (!(error instanceof XengtError)) throw error;
      this.failsafe(reasonOf(error));
    }
  }

  destroyPpgtt(levels: 3 | 4, pdps: number[]): void {
    const root = this.#ppgtt?.find(levels, pdps);
    if (root) this.#ppgtt?.destroy(root);
    else this.refuse('ppgtt-unknown-root');
  }

  // ---- what comes back from the arbiter

  engineInterrupt(engine: EngineId, bits: number): void {
    try {
      this.irq.raiseEngine(engine, bits);
    } catch (error) {
      this.fault(error);
    }
  }

  workloadDone(
    engine: EngineId,
    tag: number,
    result: WorkloadResult,
    reason: string | null,
    rule: Parameters<ArbiterEvents['workloadDone']>[4],
  ): void {
    if (rule !== '') this.refuse(`scan-${rule}`);
    if (rule !== '' || result === 'hung') this.lastDropped = reason;
    if (result === 'rejected') {
      if (rule === '') this.refuse(`workload-${ENGINES[engine]!.name}`);
      this.failsafe(reason ?? 'workload rejected');
      return;
    }
    try {
      this.#ports[engine]?.done(tag, result === 'complete');
    } catch (error) {
      this.fault(error);
    }
  }

  #deliver(asserted: boolean): void {
    const guest = this.#guest;
    if (!guest) return;
    const msi = this.pci.msi;
    this.pci.setInterruptStatus(asserted);
    if (!msi.enabled) guest.setIntx(asserted && !this.pci.intxDisabled);
    else if (asserted) guest.injectMsi(msi.address, msi.data);
  }

  // ---- time

  nextDue(): number {
    return this.#guest ? this.display.nextDue() : NEVER;
  }

  advance(now: number): void {
    if (!this.#guest) return;
    try {
      this.display.advance(now);
    } catch (error) {
      this.fault(error);
    }
  }
}

/** Stands in while no guest is attached: no frame exists. */
const NO_MEMORY: GuestMemory = {
  words: new Uint32Array(0),
  mappedFrames: 0,
  generation: 0,
  locate: () => -1,
  mfnOf: () => -1,
};
