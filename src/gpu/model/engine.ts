/**
 * One engine: takes contexts from its execution lists, fetches their commands and carries them out, each for its price in the
 * engine's own time.
 */
import { type CommandTable, compileCommands, entryDwords, entryId } from '../../hw/commands/index.js';
import { CSB, type EngineRow, MODE_IDLE, RING, STOP_RING } from '../../hw/index.js';
import { Blitter } from './blitter.js';
import { IdleCircle } from './circle.js';
import { ContextImage } from './context.js';
import { countUnsupported, type Device, timestampAt } from './device.js';
import { Execlists, raiseFromEngine } from './execlists.js';
import { compileExecutors, type ExecutorTable } from './execute/index.js';
import { Mmu } from './mmu.js';
import { UnprivilegedRegisters } from './privilege.js';
import { RingPort } from './ring-port.js';
import { CommandStream, LONGEST_COMMAND } from './stream.js';

const RESET_REQUEST = 1;
const RESET_READY = 2;
/** Bytes of a blit that count as one command against the budget. */
const BYTES_PER_UNIT = 256;
/** Nothing of the engine's units is busy. Source: PRM "INSTDONE". */
const ALL_DONE = 0xffffffff;

export class Engine {
  readonly device: Device;
  readonly row: EngineRow;
  readonly mmu: Mmu;
  readonly stream: CommandStream;
  readonly blitter: Blitter;
  readonly circle: IdleCircle;
  /** The engine's own time, ns: up to when it has worked. */
  time = 0;
  /** Engine time spent with a list to run. */
  busyNs = 0;
  arbitration = true;
  atArbitrationPoint = false;
  predicated = false;
  /** The last command was a semaphore that did not pass. */
  polling = false;

  readonly #lists: Execlists;
  /** Where the platform submits by rings; its execution lists are never written then. */
  readonly #ring: RingPort | null;
  readonly #context: ContextImage;
  readonly #table: CommandTable;
  readonly #executors: ExecutorTable;
  readonly #unprivileged: UnprivilegedRegisters;
  readonly #dw = new Uint32Array(LONGEST_COMMAND);

  #poll = 0;
  #hung = false;
  #lastHeader = 0;
  /** Context timestamp: its value when the context began to run, and when that was. */
  #contextTicks = 0;
  #contextSince = 0;

  constructor(device: Device, row: EngineRow, doorbell: (engine: Engine) => void) {
    this.device = device;
    this.row = row;
    this.mmu = new Mmu(device, row.name, row.id);
    this.blitter = new Blitter(device, this.mmu);
    this.circle = new IdleCircle(device.cost);
    this.#lists = new Execlists(device, row, () => doorbell(this));
    this.#context = new ContextImage(device, row, this.mmu);
    this.stream = new CommandStream(device, row.mmioBase, this.mmu, this.#context);
    this.#table = compileCommands(device.platform, row.id);
    this.#executors = compileExecutors(this.#table);
    this.#unprivileged = new UnprivilegedRegisters(device.registers, row);
    this.#wireRegisters();
    this.#ring =
      device.platform.submission === 'rings'
        ? new RingPort(device, row, this.mmu, this.stream, () => doorbell(this))
        : null;
    this.reset(0);
  }

  /** There is something to do, and the engine may. */
  get runnable(): boolean {
    return (this.#busy || this.#lists.pending) && !this.#hung && !this.#halted();
  }

  /** Waits in vain: an instruction that could not be fetched or is unknown. Only a reset helps. */
  get hung(): boolean {
    return this.#hung;
  }

  /**
   * Works until the engine's time has passed `horizon`, or `budget` commands are spent.
   * @returns commands' worth of host work
   */
  run(horizon: number, budget: number): number {
    let spent = 0;
    const before = this.time;
    this.polling = false;
    while (spent < budget && this.time <= horizon && this.runnable && !this.polling) spent += this.#step(horizon);
    this.busyNs += this.time - before;
    return spent;
  }

  /** The host had no time for the engine: what it does next, it does from `now` on. */
  slip(now: number): void {
    if (!this.runnable || this.time >= now) return;
    this.busyNs += now - this.time;
    this.time = now;
  }

  /** A new list waits since `now`. An engine that slept starts then. */
  wake(now: number): void {
    if (!this.#busy && this.time < now) this.time = now;
  }

  /** Engine reset: what ran is lost without a trace in its image, the registers are as after power-on. */
  reset(now: number): void {
    const { registers } = this.device;
    const base = this.row.mmioBase;
    for (let offset = 0; offset < 0x800; offset += 4) registers.set(base + offset, 0);
    registers.set(base + RING.IMR, 0xffffffff);
    registers.set(base + RING.HWSTAM, 0xffffffff);
    this.#lists.reset();
    this.blitter.reset();
    this.mmu.flush();
    this.#hung = false;
    this.stream.reset();
    this.#ring?.reset();
    this.#lastHeader = 0;
    this.arbitration = true;
    this.atArbitrationPoint = false;
    this.predicated = false;
    this.polling = false;
    this.time = now;
  }

  // What the executors use.

  /** Whether the command comes from the ring or a batch in the global GTT. */
  get privileged(): boolean {
    return this.stream.global;
  }
  /** A command's global GTT bit, which counts only with privilege. */
  global(bit: number): boolean {
    return bit !== 0 && this.privileged;
  }
  address(lo: number, hi: number, global: boolean): number {
    return global ? lo >>> 0 : (hi & 0xffff) * 2 ** 32 + (lo >>> 0);
  }
  /** Global address of a byte of the running context's status page. */
  statusPage(offset: number): number {
    return (this.#ring?.statusPage ?? this.#context.lrca) + (offset & 0xffc);
  }
  setContext(wanted: number): void {
    this.#ring?.setContext(wanted);
  }
  raise(bit: number): void {
    raiseFromEngine(this.device, this.row, bit);
  }
  loadRegister(offset: number, value: number): void {
    if (!this.privileged && !this.#unprivileged.mayWrite(offset)) this.device.counters.refusedRegisterWrites++;
    else this.device.registers.write(offset, value);
  }
  unsupported(header: number, detail = 0): number {
    countUnsupported(this.device, (((header >>> 16) & 0xffc0) << 16) | detail);
    return this.device.cost.mi;
  }

  leaveBatch(): void {
    this.predicated = false;
    this.stream.leaveBatch();
  }

  /** Meets the same command again after a while. @returns how long */
  pollAgain(): number {
    const { cost } = this.device;
    this.stream.again();
    this.#poll = this.#poll === 0 ? cost.semaphorePoll : Math.min(cost.semaphorePollMost, this.#poll * 2);
    this.polling = true;
    this.atArbitrationPoint = true;
    return this.#poll;
  }

  // Running.

  get #busy(): boolean {
    return this.#ring === null ? this.#lists.running : this.#ring.running || this.blitter.active;
  }

  #halted(): boolean {
    const { registers } = this.device;
    const base = this.row.mmioBase;
    return (
      (registers.get(base + RING.MI_MODE) & STOP_RING) !== 0 ||
      (registers.get(base + RING.RESET_CTL) & RESET_READY) !== 0
    );
  }

  /** What an engine did not do while it was halted, it does later. */
  #mayResume(change: () => void): void {
    const halted = this.#halted();
    change();
    if (halted && !this.#halted() && this.time < this.device.time) this.time = this.device.time;
  }

  #step(horizon: number): number {
    this.device.time = this.time;
    if (this.#lists.pending && this.#takePending()) return 1;
    if (this.blitter.active) return this.#blitRows(horizon);
    this.stream.settle();
    if (this.stream.empty && this.#ring === null) {
      this.#complete();
      return 1;
    }
    return this.#command(horizon);
  }

  /** Looks at the list that waits. @returns whether that was this step's work */
  #takePending(): boolean {
    const lists = this.#lists;
    if (!lists.running) {
      lists.adopt();
      lists.report(CSB.IDLE_TO_ACTIVE, 0);
      this.#switchIn();
      return true;
    }
    if (lists.pendingContinues) {
      lists.adopt();
      this.stream.tail = this.#context.readTail();
      lists.report(CSB.LITE_RESTORE | CSB.PREEMPTED, lists.contextId);
      return true;
    }
    const { stream } = this;
    // Within a batch that MI_SET_PREDICATE has made no-ops of, that state would be lost: it is in no register.
    const between = stream.inRing || (this.atArbitrationPoint && !stream.restoring && !this.predicated);
    if (stream.empty || !between || !this.arbitration || this.blitter.active) return false;
    const id = lists.contextId;
    this.#saveContext();
    lists.report(CSB.PREEMPTED, id);
    lists.adopt();
    this.#switchIn();
    return true;
  }

  #complete(): void {
    const lists = this.#lists;
    const id = lists.contextId;
    this.#saveContext();
    if (lists.hasNext) {
      if (lists.pending) {
        lists.report(CSB.COMPLETE | CSB.PREEMPTED, id);
        lists.adopt();
      } else {
        lists.report(CSB.COMPLETE | CSB.ELEMENT_SWITCH, id);
        lists.element = 1;
      }
      this.#switchIn();
      return;
    }
    lists.report(CSB.COMPLETE | CSB.ACTIVE_TO_IDLE, id);
    lists.running = false;
    this.mmu.flush();
  }

  #switchIn(): void {
    const { registers, cost } = this.device;
    const base = this.row.mmioBase;
    this.time += cost.contextRestore;
    this.device.time = this.time;
    this.arbitration = true;
    this.atArbitrationPoint = false;
    this.predicated = false;
    this.#poll = 0;
    this.circle.leave();
    this.stream.reset();
    if (!this.#context.restore(this.#lists.lo[this.#lists.element]!)) {
      this.#hung = true;
      return;
    }
    this.#contextTicks = registers.get(base + RING.CTX_TIMESTAMP);
    this.#contextSince = this.#ticks();
    this.stream.begin();
  }

  #saveContext(): void {
    const { registers, cost } = this.device;
    const base = this.row.mmioBase;
    this.stream.keep();
    registers.set(base + RING.CTX_TIMESTAMP, this.#contextTimestamp());
    this.#context.save();
    this.time += cost.contextSave;
    this.device.time = this.time;
  }

  /** Rows of the blit in progress, as many as fit before `horizon`; a slice of the budget at most. */
  #blitRows(horizon: number): number {
    const { blitBytesPerNs } = this.device.cost;
    let bytes = 0;
    while (this.blitter.active && this.time <= horizon && bytes < 64 * BYTES_PER_UNIT) {
      const row = this.blitter.step();
      bytes += row;
      this.time += Math.ceil(row / blitBytesPerNs);
    }
    return 1 + Math.floor(bytes / BYTES_PER_UNIT);
  }

  #command(horizon: number): number {
    const { memory, cost, counters } = this.device;
    const { stream } = this;
    const found = this.mmu.locate(stream.address, stream.global, false);
    if (found < 0) return this.#hang();
    const header = memory.words[found]!;
    this.atArbitrationPoint = false;
    if (header === 0) return this.#noops(found, horizon);
    this.#lastHeader = header;
    const entry = this.#table.entries[header >>> 16]!;
    if (entry === 0) {
      counters.unknownCommands++;
      return this.#hang();
    }
    const length = entryDwords(entry, header);
    if (stream.inRing && length * 4 > stream.ringLeft) return this.#hang();
    const id = entryId(entry);
    const executor = this.#executors.executors[id]!;
    if (this.#executors.isIdle[id] === 0) this.circle.leave();
    let spent: number;
    if (executor === null || (this.predicated && this.#executors.neverPredicated[id] === 0)) {
      stream.advance(length);
      spent = this.#executors.isState[id] === 1 ? cost.state : cost.mi;
    } else {
      if (!stream.fetch(this.#dw, Math.min(length, LONGEST_COMMAND))) return this.#hang();
      stream.advance(length);
      spent = executor(this, this.#dw, length);
      if (!this.polling) this.#poll = 0;
    }
    counters.commands++;
    this.time += spent;
    return 1;
  }

  /** Skips the MI_NOOPs that follow each other in one page. */
  #noops(found: number, horizon: number): number {
    const { words } = this.device.memory;
    const { noop } = this.device.cost;
    const most = Math.min(this.stream.contiguous, Math.floor((horizon - this.time) / noop) + 1);
    let count = 1;
    while (count < most && words[found + count] === 0) count++;
    this.stream.advance(count);
    this.device.counters.commands += count;
    this.time += count * noop;
    return 1 + (count >>> 4);
  }

  #hang(): number {
    this.#hung = true;
    return 1;
  }

  // Registers.

  #ticks(): number {
    return timestampAt(this.time, this.device.platform.timestampHz);
  }

  #contextTimestamp(): number {
    return (this.#contextTicks + this.#ticks() - this.#contextSince) % 2 ** 32;
  }

  #wireRegisters(): void {
    const { registers, platform } = this.device;
    const base = this.row.mmioBase;
    const masked = (offset: number, value: number): void => {
      registers.mergeMasked(offset, value);
    };
    const readOnly = (): void => {};
    for (const offset of [RING.MODE, RING.INSTPM, 0x200]) registers.onWrite(base + offset, masked);
    const ticks = (): number => timestampAt(this.device.time, platform.timestampHz);
    const seenAt = (): number => this.circle.seenAt(this.stream.address, this.device.time);
    const computed: readonly (readonly [number, () => number])[] = [
      [RING.HEAD, () => this.stream.head],
      [RING.TAIL, () => this.stream.tail],
      [RING.ACTHD, () => seenAt() % 2 ** 32],
      [RING.ACTHD_UDW, () => Math.floor(seenAt() / 2 ** 32)],
      [RING.IPEHR, () => this.#lastHeader],
      [RING.INSTDONE, () => (this.#busy ? ALL_DONE & ~1 : ALL_DONE)],
      [RING.TIMESTAMP, () => ticks() % 2 ** 32],
      [RING.TIMESTAMP_UDW, () => Math.floor(ticks() / 2 ** 32)],
      [
        RING.CTX_TIMESTAMP,
        () => (this.#lists.running ? this.#contextTimestamp() : registers.get(base + RING.CTX_TIMESTAMP)),
      ],
    ];
    for (const [offset, read] of computed) {
      registers.onRead(base + offset, read);
      registers.onWrite(base + offset, readOnly);
    }
    registers.onWrite(base + RING.MI_MODE, (offset, value) => this.#mayResume(() => masked(offset, value)));
    // A stopped ring is idle at once: between two commands, which is where a register access finds the engine.
    registers.onRead(base + RING.MI_MODE, (offset) => {
      const mode = registers.get(offset) & ~MODE_IDLE;
      return (mode & STOP_RING) !== 0 || !this.#busy ? mode | MODE_IDLE : mode;
    });
    registers.onWrite(base + RING.RESET_CTL, (offset, value) => {
      this.#mayResume(() => {
        const request = registers.mergeMasked(offset, value) & RESET_REQUEST;
        registers.set(offset, request === 0 ? 0 : RESET_REQUEST | RESET_READY);
      });
    });
  }
}
