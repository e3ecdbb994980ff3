/**
 * A register-level software Gen8/Gen9 GPU: the device that the mediator drives where there is no real one. It knows only what
 * hardware knows: registers, its GGTT, memory by machine frame, and the time that advance() tells it.
 */
import { type Clock, type Frames, NEVER, XengtError } from '../../base/index.js';
import { ENGINES, GDRST, GDRST_FULL, type Platform } from '../../hw/index.js';
import type { DmaPages, Gpu, IsolationOracle } from '../port.js';
import { type CostModel, DEFAULT_COST } from './cost.js';
import type { Device, ModelCounters } from './device.js';
import { Engine } from './engine.js';
import { GlobalGtt } from './ggtt.js';
import { InterruptTree } from './interrupts.js';
import { MachineMemory, OWNER_FRAMES } from './memory.js';
import { ViolationLog } from './oracle.js';
import { GFX_FLUSH_CONTROL, wirePlatformRegisters } from './platform-registers.js';
import { RegisterFile } from './registers.js';

export interface ModelGpuOptions {
  readonly platform: Platform;
  /** Bytes of graphics address space that the CPU can map. */
  readonly apertureBytes?: number;
  readonly fences?: number;
  /** Pages of host memory that allocate() can hand out; taken from the host as needed. */
  readonly poolPages?: number;
  readonly cost?: CostModel;
  /** Commands' worth of work that one advance() does at most, so that no context holds the host for long. */
  readonly commandsPerAdvance?: number;
  /** Without it time stands still between two advance(): a driver that reads a timestamp of an idle device would see that. */
  readonly clock?: Clock;
  /** How long busy engines may be left alone, ns: nextDue() is not earlier than this after the last advance(). */
  readonly granularity?: number;
}

const GIB = 2 ** 30;
const DEFAULT_POOL_PAGES = 65_536;
const DEFAULT_FENCES = 32;
const DEFAULT_COMMANDS = 20_000;
const DEFAULT_GRANULARITY = 10_000;

export class ModelGpu implements Gpu {
  readonly platform: Platform;
  readonly apertureBytes: number;
  readonly fences: number;
  /** Pages that allocate() can hand out in all. */
  readonly poolPages: number;
  onInterrupt: (() => void) | null = null;

  readonly #device: Device;
  readonly #memory: MachineMemory;
  readonly #engines: readonly Engine[];
  readonly #commandsPerAdvance: number;
  readonly #granularity: number;
  readonly #clock: Clock | null;
  #now = 0;
  #exhausted = false;
  #happened = false;

  constructor(options: ModelGpuOptions) {
    const { platform, cost = DEFAULT_COST } = options;
    this.platform = platform;
    this.apertureBytes = options.apertureBytes ?? GIB;
    this.fences = options.fences ?? DEFAULT_FENCES;
    this.#commandsPerAdvance = options.commandsPerAdvance ?? DEFAULT_COMMANDS;
    this.#clock = options.clock ?? null;
    this.#granularity = options.granularity ?? DEFAULT_GRANULARITY;
    checkCost(cost);
    this.poolPages = options.poolPages ?? DEFAULT_POOL_PAGES;
    this.#memory = new MachineMemory(this.poolPages);
    const registers = new RegisterFile();
    this.#device = {
      platform,
      cost,
      memory: this.#memory,
      ggtt: new GlobalGtt(platform),
      registers,
      interrupts: new InterruptTree(platform, registers, () => {
        this.#happened = true;
        this.onInterrupt?.();
      }),
      oracle: new ViolationLog(),
      counters: {
        commands: 0,
        faults: 0,
        unknownCommands: 0,
        unsupportedCommands: 0,
        refusedRegisterWrites: 0,
        refusedSubmissions: 0,
      },
      unsupported: new Map(),
      time: 0,
    };
    wirePlatformRegisters(registers, platform);
    this.#engines = platform.engines.map(
      (id) => new Engine(this.#device, ENGINES[id]!, (engine) => engine.wake(this.#now)),
    );
    for (const engine of this.#engines) registers.onWrite(engine.row.tlbRegister, () => engine.mmu.flush());
    registers.onWrite(GFX_FLUSH_CONTROL, () => this.#flushTlbs());
    registers.onWrite(GDRST, (_offset, value) => {
      for (const engine of this.#engines)
        if ((value & (GDRST_FULL | (1 << engine.row.resetBit))) !== 0) engine.reset(this.#now);
    });
  }

  /** Every access that a context had no right to. */
  get oracle(): IsolationOracle {
    return this.#device.oracle;
  }
  get counters(): Readonly<ModelCounters> {
    return this.#device.counters;
  }
  /** Commands met that hardware would execute and the model skips: header opcode bits (plus operand detail) to count. */
  get unsupported(): ReadonlyMap<number, number> {
    return this.#device.unsupported;
  }
  /** Register accesses that nothing answers. */
  get strayAccesses(): number {
    return this.#device.registers.strayAccesses;
  }
  /** Engine time, ns, that each of the platform's engines has spent on lists, in the platform's order. */
  get busyNs(): readonly number[] {
    return this.#engines.map(({ busyNs }) => busyNs);
  }

  read32(offset: number): number {
    this.#catchUp();
    return this.#device.registers.read(offset);
  }

  write32(offset: number, value: number): void {
    this.#catchUp();
    this.#device.registers.write(offset, value >>> 0);
  }

  /** @throws XengtError XENGT_E_GGTT when there is no such entry */
  writeGgtt(index: number, lo: number, hi: number): void {
    if (!this.#device.ggtt.write(index, lo, hi))
      throw new XengtError(
        'XENGT_E_GGTT',
        `the device has no GGTT entry ${index}; it has ${this.#device.ggtt.entries}`,
      );
  }
  readGgttLo(index: number): number {
    return this.#device.ggtt.lo(index);
  }
  readGgttHi(index: number): number {
    return this.#device.ggtt.hi(index);
  }

  allocate(pages: number, owner: number): DmaPages {
    return this.#memory.allocate(pages, owner);
  }

  free(pages: DmaPages): void {
    this.#memory.free(pages);
    this.#flushTlbs();
  }

  /** Declares a frame of the mediator as scratch: contexts may read and write it, and nothing depends on what is in it. */
  markScratch(mfn: number): void {
    this.#memory.markScratch(mfn);
  }

  frameBase(owner: number): number {
    return owner * OWNER_FRAMES;
  }

  attachMemory(owner: number, memory: Frames): void {
    this.#memory.attach(owner, memory);
  }

  detachMemory(owner: number): void {
    this.#memory.detach(owner);
    this.#flushTlbs();
  }

  advance(now: number): boolean {
    if (now > this.#now) this.#now = now;
    // Nothing found in an earlier event may be used in this one: memory comes and goes in between.
    this.#memory.forget();
    this.#flushTlbs();
    this.#happened = false;
    this.#exhausted = false;
    let budget = this.#commandsPerAdvance;
    for (;;) {
      const engine = this.#earliest(null);
      if (engine === null || engine.time > this.#now) break;
      if (budget <= 0) {
        this.#exhausted = true;
        // What was not done by now takes longer: were it owed, one endless batch would put off all that is submitted after it.
        for (const late of this.#engines) late.slip(this.#now);
        break;
      }
      // Up to where another engine is: what they do to each other's memory happens in the order of engine time.
      const horizon = Math.min(this.#now, this.#earliest(engine)?.time ?? this.#now);
      budget -= engine.run(horizon, budget);
      this.#happened = true;
    }
    return this.#happened;
  }

  /** The last advance() stopped at its budget, with work left that is due. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  nextDue(): number {
    if (this.#exhausted) return this.#now;
    const engine = this.#earliest(null);
    if (engine === null) return NEVER;
    if (engine.time <= this.#now) return this.#now;
    return Math.max(engine.time, this.#now + this.#granularity);
  }

  /** It is as late as the clock says; what the engines have to do until then they do in the next advance(). */
  #catchUp(): void {
    if (this.#clock !== null) this.#now = Math.max(this.#now, this.#clock.now());
    this.#device.time = this.#now;
  }

  /** The engine with work that is furthest behind, other than `except`; the first of those that are equal. */
  #earliest(except: Engine | null): Engine | null {
    let found: Engine | null = null;
    for (let i = 0; i < this.#engines.length; i++) {
      const engine = this.#engines[i]!;
      if (engine !== except && engine.runnable && (found === null || engine.time < found.time)) found = engine;
    }
    return found;
  }

  #flushTlbs(): void {
    for (let i = 0; i < this.#engines.length; i++) this.#engines[i]!.mmu.flush();
  }
}

/** A command that takes no time would let a loop of commands run for ever within one moment. */
function checkCost(cost: CostModel): void {
  for (const [name, value] of Object.entries(cost))
    if (!(Number.isFinite(value) && value > 0))
      throw new XengtError('XENGT_E_CONFIG', `cost.${name} is ${value}; it must be a positive number`);
}
