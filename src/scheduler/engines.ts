/**
 * The engines at work: queues of the vGPUs in, workloads prepared, submitted and ended, hangs found, and what ended told. The
 * arbiter checks who asks; here everything is the mediator's own.
 */
import { type Clock, NEVER, NS_PER_MS, reasonOf, XengtError } from '../base/index.js';
import type { ScanCode } from '../cmd-parser/index.js';
import type { Gpu } from '../gpu/index.js';
import { CONTEXT_SWITCH, ENGINES, type EngineId } from '../hw/index.js';
import type { Client } from './client.js';
import { DeviceInterrupts } from './device-interrupts.js';
import { CONTEXT_IDS } from './engine-driver.js';
import { EngineSlot, type Running } from './engine-slot.js';
import { EngineLedger } from './ledger.js';
import { LEAST_STAY_NS } from './policy/index.js';
import { RegisterSwitch } from './register-switch.js';
import { ScanRefusal } from './scan-stats.js';
import { STRIKES } from './strikes.js';
import type { Turns } from './turns.js';
import { atSemaphore, COMPLETE_UNTOLD, GOES_ON, HANG_LIMITS, type HangLimits, LOST, Watch } from './watch.js';
import type { Prepared, WorkDispatcher, WorkDriver } from './work.js';
import type { Workload, WorkloadResult } from './workload.js';

/** What a workload pays for of the way of its end to the mediator. */
const MOST_LATE_NS = NS_PER_MS;
/** Longest queue of one vGPU on one engine. A guest has two contexts of two submissions at most; more is a guest gone wrong. */
const MAX_QUEUE = 64;

export interface EnginesParts {
  readonly gpu: Gpu;
  readonly clock: Clock;
  readonly realTime: Clock;
  readonly dispatcher: WorkDispatcher;
  readonly driverOf: (engine: EngineId) => WorkDriver;
  readonly turns: Turns;
  /** By vGPU id. */
  readonly clients: readonly (Client | undefined)[];
  readonly limitsOf: (vgpu: number) => HangLimits;
}

/** Ended workloads by engine name, then result. */
export type Results = Record<string, Record<string, number>>;

/** Faults of the device that were made good, counted. */
export interface DeviceFaults {
  /** Completions whose interrupt or status entry never came. */
  lostEvents: number;
  /** Workloads that an idle engine had not executed, submitted again. */
  resubmitted: number;
}

interface Done {
  readonly client: Client;
  readonly workload: Workload;
  readonly result: WorkloadResult;
  readonly reason: string | null;
  readonly rule: ScanCode | '';
  /** When, by the clock of the accounts. */
  readonly at: number;
}

export class Engines {
  readonly faults: DeviceFaults = { lostEvents: 0, resubmitted: 0 };
  /** By vGPU id. */
  readonly results = new Map<number, Results>();
  /** By engine. */
  readonly slots: (EngineSlot | undefined)[] = [];
  readonly #gpu: Gpu;
  readonly #clock: Clock;
  readonly #realTime: Clock;
  readonly #dispatcher: WorkDispatcher;
  readonly #registers: RegisterSwitch;
  readonly #interrupts: DeviceInterrupts;
  readonly #turns: Turns;
  readonly #clients: EnginesParts['clients'];
  readonly #limitsOf: EnginesParts['limitsOf'];
  #serial = 0;
  #done: Done[] = [];
  /** The end that a vGPU is being told of, NEVER at other times. What it hands over then was there before, and waits since. */
  #told = NEVER;

  constructor(parts: EnginesParts) {
    const { gpu } = parts;
    this.#gpu = gpu;
    this.#clock = parts.clock;
    this.#realTime = parts.realTime;
    this.#dispatcher = parts.dispatcher;
    this.#turns = parts.turns;
    this.#clients = parts.clients;
    this.#limitsOf = parts.limitsOf;
    this.#registers = new RegisterSwitch(gpu, gpu.platform);
    this.#interrupts = new DeviceInterrupts(gpu);
    for (const engine of gpu.platform.engines) {
      this.slots[engine] = new EngineSlot(parts.driverOf(engine), new EngineLedger(parts.realTime.now()));
    }
  }

  submit(client: Client, workload: Workload): void {
    const queue = client.queue(workload.engine);
    if (queue.length >= MAX_QUEUE) {
      this.#finished(client, workload, 'rejected', `queue of ${ENGINES[workload.engine]!.name} is full (${MAX_QUEUE})`);
      return;
    }
    queue.push(workload);
    if (queue.length > 1) return;
    this.#turns.queued(client.id, workload.engine, this.#clock.now());
    const slot = this.slots[workload.engine]!;
    if (slot.running?.client !== client) slot.waits(client.id).begin(Math.min(this.#told, this.#realTime.now()));
  }

  /**
   * Drops what a vGPU has on the engines; a running workload of its own is aborted by an engine reset.
   * @param givenUp by the guest's own driver, which takes what runs for a hang
   */
  reset(client: Client, engines: readonly EngineId[], givenUp: boolean): void {
    let out: Done | null = null;
    for (const engine of engines) {
      const slot = this.slots[engine];
      if (!slot) continue;
      this.#takeQueue(client, engine);
      this.#emptied(client, engine, slot);
      if (slot.running?.client !== client) continue;
      if (givenUp) out ??= this.#strikeOut(engine, slot);
      this.#abort(engine, slot);
    }
    this.#done = this.#done.filter((done) => done.client !== client || !engines.includes(done.workload.engine));
    // Of this the vGPU hears all the same.
    if (out !== null) this.#done.push(out);
  }

  /** The vGPU's guest is gone. */
  leave(client: Client): void {
    this.#done = this.#done.filter((done) => done.client !== client);
    for (const slot of this.slots) if (slot?.owner === client.id) slot.owner = 0;
  }

  // ---- progress

  /** Handles the device's interrupts, tells vGPUs of what ended, starts what is next. @returns whether anything happened */
  service(): boolean {
    let happened = false;
    if (this.#interrupts.pending) {
      this.#handleInterrupts();
      happened = true;
    }
    const now = this.#clock.now();
    const { engines } = this.#gpu.platform;
    for (const engine of engines) {
      const slot = this.slots[engine]!;
      if (slot.running && now >= slot.running.watch.due) this.#look(engine, slot, now);
      if (slot.asked !== NEVER && !slot.running && now >= slot.asked + HANG_LIMITS.checkNs) this.#clear(engine, slot);
    }
    // Before the next is chosen: whose turn it is may have more to run, which it hands over when it hears of the end.
    if (this.#deliver()) happened = true;
    for (const engine of engines) {
      const slot = this.slots[engine]!;
      while (!slot.running && slot.asked === NEVER && this.#start(engine, slot)) happened = true;
      if (now >= this.#roomDue(engine, slot, now)) this.#askForRoom(engine, slot, now);
    }
    return happened;
  }

  /** When service() has something to do, ns; 0 when it has now. */
  nextDue(): number {
    if (this.#interrupts.pending || this.#done.length > 0) return 0;
    const now = this.#clock.now();
    let due = NEVER;
    for (const slot of this.slots) {
      if (!slot) continue;
      const { engine } = slot.driver;
      if (slot.running) due = Math.min(due, slot.running.watch.due, this.#roomDue(engine, slot, now));
      else due = Math.min(due, slot.asked === NEVER ? this.#turns.due(engine, now) : slot.asked + HANG_LIMITS.checkNs);
    }
    return due <= now ? 0 : due;
  }

  /**
   * When what runs is to make room for others, or is to be looked at whether it does anything with its time; NEVER while nobody
   * wants it to, or where it has been asked.
   */
  #roomDue(engine: EngineId, slot: EngineSlot, now: number): number {
    const end = this.#stayEnds(engine, slot, now);
    return end !== NEVER && this.#othersWait(engine, slot.running!.client) ? Math.min(end, slot.peek) : end;
  }

  #stayEnds(engine: EngineId, { running, asked }: EngineSlot, now: number): number {
    if (!running || asked !== NEVER || !this.#gpu.platform.preemptsBatches) return NEVER;
    return running.since + this.#turns.mayKeep(running.client.id, engine, now);
  }

  /** What waits for a semaphore, while others have work, has no use for the rest of its slice. */
  #askForRoom(engine: EngineId, slot: EngineSlot, now: number): void {
    if (now < this.#stayEnds(engine, slot, now) && !atSemaphore(slot.driver)) {
      slot.peek = now + LEAST_STAY_NS;
      return;
    }
    slot.asked = now;
    slot.driver.makeRoom();
  }

  #deliver(): boolean {
    if (this.#done.length === 0) return false;
    const done = this.#done;
    this.#done = [];
    for (const { client, workload, result, reason, rule, at } of done) {
      this.#told = at;
      client.parts.events.workloadDone(workload.engine, workload.tag, result, reason, rule);
    }
    this.#told = NEVER;
    return true;
  }

  #handleInterrupts(): void {
    this.#interrupts.hold();
    for (const engine of this.#gpu.platform.engines) {
      const bits = this.#interrupts.take(engine);
      if (bits === 0) continue;
      const slot = this.slots[engine]!;
      const running = slot.running;
      const toGuest = bits & ~(1 << CONTEXT_SWITCH);
      if (running && toGuest !== 0) {
        running.watch.progressed(this.#clock.now());
        running.client.parts.events.engineInterrupt(engine, toGuest);
      }
      if ((bits & slot.driver.endBits) === 0) continue;
      if (slot.driver.completed(running?.contextId ?? 0) && running) this.#complete(engine, slot);
      if (slot.driver.madeRoom) this.#roomMade(engine, slot);
    }
    this.#interrupts.resume();
  }

  /** The engine is idle: what it ran is broken off, or at its end although nobody said so. */
  #roomMade(engine: EngineId, slot: EngineSlot): void {
    slot.asked = NEVER;
    slot.driver.madeRoom = false;
    const { running } = slot;
    if (!running) return;
    const { client, workload, prepared, watch, taken } = running;
    if (this.#dispatcher.ranToEnd(prepared)) {
      this.faults.lostEvents++;
      this.#complete(engine, slot);
      return;
    }
    const now = this.#realTime.now();
    const booked = slot.ledger.end(this.#dispatcher.ranNs(prepared), now);
    slot.running = null;
    slot.kept(client.id, now - taken);
    watch.leave(this.#clock.now());
    client.brokenOff[engine] = { prepared: this.#dispatcher.brokenOff(prepared), watch };
    client.queue(engine).unshift(workload);
    this.#turns.brokenOff(client.id, engine, booked, occupied(running, booked, now), this.#clock.now());
    slot.waits(client.id).begin(now);
    slot.breakOff(client.id);
  }

  /** The idle context is out and was not heard of. */
  #clear(engine: EngineId, slot: EngineSlot): void {
    slot.driver.completed(0);
    if (!slot.driver.madeRoom && !slot.driver.idle) this.#resetEngine(engine, slot);
    this.faults.lostEvents++;
    this.#roomMade(engine, slot);
  }

  #start(engine: EngineId, slot: EngineSlot): boolean {
    const vgpu = this.#turns.pick(engine, this.#clock.now());
    const client = this.#clients[vgpu];
    const workload = client?.queue(engine).shift();
    if (!client || !workload) return false;
    const taken = this.#realTime.now();
    slot.waits(vgpu).taken(taken);
    slot.ledger.switchTo(vgpu, taken);
    if (client.queue(engine).length === 0) this.#turns.emptied(vgpu, engine, this.#clock.now());
    const before = client.brokenOff[engine];
    client.brokenOff[engine] = undefined;
    let prepared: Prepared;
    try {
      if (before) this.#dispatcher.goOn(client, before.prepared);
      prepared = before?.prepared ?? this.#dispatcher.prepare(client, workload);
    } catch (error) {
      if (before) this.#dispatcher.finish(client, before.prepared);
      this.#refused(client, workload, error);
      const now = this.#realTime.now();
      slot.ledger.rest(now);
      this.#turns.ended(vgpu, engine, 0, now - taken, this.#clock.now());
      if (client.queue(engine).length > 0) slot.waits(vgpu).begin(now);
      return true;
    }
    if (slot.owner !== vgpu) {
      const previous = this.#clients[slot.owner];
      if (previous) this.#registers.save(engine, previous.parts.bank);
      else this.#registers.forget(engine);
      this.#registers.restore(engine, client.parts.bank);
      slot.handOver(vgpu);
    }
    this.#turns.started(vgpu, engine);
    const watch = before?.watch ?? new Watch(this.#limitsOf(vgpu));
    this.#submit(slot, client, workload, prepared, watch, taken, false);
    return false;
  }

  #submit(
    slot: EngineSlot,
    client: Client,
    workload: Workload,
    prepared: Prepared,
    watch: Watch,
    taken: number,
    again: boolean,
  ): void {
    // Ids differ from one submission to the next, so that a late event can not end the wrong workload.
    this.#serial = (this.#serial + 1) % CONTEXT_IDS;
    const since = this.#clock.now();
    const submitted = this.#realTime.now();
    slot.running = { client, workload, prepared, contextId: this.#serial, watch, since, taken, submitted, again };
    slot.peek = since + LEAST_STAY_NS;
    watch.begin(this.#serial, since);
    slot.ledger.run(client.id, submitted);
    slot.driver.submit(prepared, this.#serial);
  }

  #refused(client: Client, workload: Workload, error: unknown): void {
    const refusal = error instanceof ScanRefusal ? error : null;
    const ofProcess = refusal?.ofProcess ?? false;
    this.#finished(client, workload, ofProcess ? 'dropped' : 'rejected', rejection(error), refusal?.rule);
    if (ofProcess) this.#dropQueue(client, workload.engine, 'work before it was refused');
  }

  #complete(engine: EngineId, slot: EngineSlot): void {
    const { client, workload, prepared } = slot.running!;
    let fault: string | null = null;
    try {
      this.#dispatcher.saveContext(client, workload, prepared);
    } catch (error) {
      fault = rejection(error);
    }
    this.#end(engine, slot, this.#dispatcher.ranNs(prepared), fault === null ? 'complete' : 'rejected', fault);
  }

  /**
   * @param ran ns by the engine's clock, infinity where that is not known
   * @param told what the vGPU is told
   */
  #end(
    engine: EngineId,
    slot: EngineSlot,
    ran: number,
    result: WorkloadResult,
    reason: string | null,
    told = result,
  ): void {
    const { running } = slot;
    const { client, workload, prepared, taken } = running!;
    const now = this.#realTime.now();
    const booked = slot.ledger.end(ran, now);
    slot.running = null;
    slot.kept(client.id, now - taken);
    this.#turns.ended(client.id, engine, booked, occupied(running!, booked, now), this.#clock.now());
    this.#dispatcher.finish(client, prepared);
    this.#finished(client, workload, result, reason, '', told);
    if (result === 'hung') this.#dropQueue(client, engine, 'the engine was reset after a hang');
    else if (client.queue(engine).length > 0) slot.waits(client.id).begin(now);
  }

  /** What waits behind lost work goes with it, and the vGPU is told, or it would wait for answers that never come. */
  #dropQueue(client: Client, engine: EngineId, reason: string): void {
    for (const workload of this.#takeQueue(client, engine)) this.#finished(client, workload, 'dropped', reason);
    this.#emptied(client, engine, this.slots[engine]!);
  }

  /** Empties a queue. @returns what was in it */
  #takeQueue(client: Client, engine: EngineId): Workload[] {
    const before = client.brokenOff[engine];
    client.brokenOff[engine] = undefined;
    if (before) this.#dispatcher.finish(client, before.prepared);
    return client.queue(engine).splice(0);
  }

  #emptied(client: Client, engine: EngineId, slot: EngineSlot): void {
    this.#turns.emptied(client.id, engine, this.#clock.now());
    slot.waits(client.id).given(this.#realTime.now());
  }

  #abort(engine: EngineId, slot: EngineSlot): void {
    this.#resetEngine(engine, slot);
    this.#end(engine, slot, NEVER, 'dropped', 'engine reset by the guest');
  }

  #resetEngine(engine: EngineId, slot: EngineSlot): void {
    slot.driver.reset();
    slot.asked = NEVER;
    slot.resets++;
    slot.owner = 0;
    this.#registers.forget(engine);
  }

  /** Looks for progress; an engine that shows none, or a workload without end, is reset. */
  #look(engine: EngineId, slot: EngineSlot, now: number): void {
    const { client, workload, prepared, watch, taken, again } = slot.running!;
    const wanted = this.#othersWait(engine, client);
    const finding = watch.look(slot.driver, now, wanted);
    if (finding === COMPLETE_UNTOLD) {
      this.faults.lostEvents++;
      this.#complete(engine, slot);
      if (slot.driver.madeRoom) this.#roomMade(engine, slot);
      return;
    }
    const toEnd = this.#dispatcher.ranToEnd(prepared);
    if (slot.driver.madeRoom || (finding === LOST && (toEnd || slot.asked !== NEVER))) {
      if (!toEnd) this.faults.lostEvents++;
      this.#roomMade(engine, slot);
      return;
    }
    if (finding === GOES_ON) return;
    this.#resetEngine(engine, slot);
    if (finding === LOST && !again) {
      // The device's fault and not the guest's: its work goes on from where the context says that it is.
      this.faults.resubmitted++;
      slot.ledger.end(NEVER, this.#realTime.now());
      this.#registers.restore(engine, client.parts.bank);
      slot.owner = client.id;
      this.#submit(slot, client, workload, prepared, watch, taken, true);
      return;
    }
    const { name } = ENGINES[engine]!;
    if (finding === LOST) {
      this.#end(engine, slot, NEVER, 'hung', `${name}: lost by the device twice`);
      return;
    }
    const why = `${name}: ${watch.say(finding)}`;
    const out = wanted && !watch.yields && client.strikes.strike(now);
    this.#end(engine, slot, NEVER, 'hung', out ? struckOut(why) : why, out ? 'rejected' : 'hung');
  }

  /** Its driver gives up what runs. @returns what the vGPU is told if that was one hang too many that others had to wait out */
  #strikeOut(engine: EngineId, slot: EngineSlot): Done | null {
    const { client, workload, watch } = slot.running!;
    const now = this.#clock.now();
    const why = watch.yields || !this.#othersWait(engine, client) ? null : watch.givenUp(now);
    if (why === null || !client.strikes.strike(now)) return null;
    const reason = struckOut(`${ENGINES[engine]!.name}: ${why}`);
    return { client, workload, result: 'rejected', reason, rule: '', at: this.#realTime.now() };
  }

  #othersWait(engine: EngineId, client: Client): boolean {
    for (const other of this.#clients) if (other && other !== client && other.queue(engine).length > 0) return true;
    return false;
  }

  #finished(
    client: Client,
    workload: Workload,
    result: WorkloadResult,
    reason: string | null,
    rule: ScanCode | '' = '',
    told = result,
  ): void {
    const byEngine = this.results.get(client.id) ?? {};
    this.results.set(client.id, byEngine);
    const { name } = ENGINES[workload.engine]!;
    const byResult = byEngine[name] ?? {};
    byEngine[name] = byResult;
    byResult[result] = (byResult[result] ?? 0) + 1;
    this.#done.push({ client, workload, result: told, reason, rule, at: this.#realTime.now() });
  }
}

/**
 * How long nobody else could have the engine because of a workload, ns. That the mediator hears of an end late, where the host had
 * something else to do for its thread, is no guest's doing: by how much more than a millisecond nobody pays for.
 */
function occupied({ taken, submitted }: Running, ran: number, now: number): number {
  return Math.min(now - taken, submitted - taken + ran + MOST_LATE_NS);
}

/** One hang too many: the vGPU is told as of work that no driver should submit. */
function struckOut(last: string): string {
  return `${STRIKES} hangs within a minute that others had to wait out; the last: ${last}`;
}

/** Why a workload is rejected. A fault of ours that one guest's memory brings out costs that guest its vGPU, not everybody. */
function rejection(error: unknown): string {
  return error instanceof XengtError ? error.message : `internal error: ${reasonOf(error)}`;
}
