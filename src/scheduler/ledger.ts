/**
 * Engine time, account by account. An engine is at every moment either idle, switching, or busy for one vGPU; whoever
 * changes that books the time since the last change. What is booked therefore adds up to the time that passed: the total is
 * read from the clock, not from the accounts, so that the sum can be checked against it.
 *
 * Busy is what the engine's own clock says that commands ran for. It is known when a workload has ended; the rest of the time
 * since its submission (restoring and saving the context, the way of the interrupt) is switching on that vGPU's behalf.
 */
import { NS_PER_S } from '../base/index.js';
import { Timeline } from './timeline.js';

const IDLE = 0;
const SWITCHING = 1;
const BUSY = 2;

export interface EngineTotals {
  readonly busy: number;
  readonly idle: number;
  readonly switching: number;
  readonly total: number;
}

export class EngineLedger {
  readonly timeline = new Timeline();
  #state: typeof IDLE | typeof SWITCHING | typeof BUSY = IDLE;
  #vgpu = 0;
  #since: number;
  /** Of the open busy time, what somebody has been told: it is not taken back. */
  #told = 0;
  readonly #start: number;
  #idle = 0;
  /** By vGPU id, ns. A removed vGPU's time stays, so that totals never run backwards. */
  readonly #busy: number[] = [];
  readonly #switching: number[] = [];

  constructor(now: number) {
    this.#start = now;
    this.#since = now;
  }

  /** The engine has nothing to do from `now` on. */
  rest(now: number): void {
    this.#close(now, Number.POSITIVE_INFINITY);
    this.#state = IDLE;
  }

  /** A workload of a vGPU is being prepared. */
  switchTo(vgpu: number, now: number): void {
    this.#close(now, Number.POSITIVE_INFINITY);
    this.#state = SWITCHING;
    this.#vgpu = vgpu;
  }

  /** It is with the engine. */
  run(vgpu: number, now: number): void {
    this.#close(now, Number.POSITIVE_INFINITY);
    this.#state = BUSY;
    this.#vgpu = vgpu;
  }

  /**
   * It has ended.
   * @param ran ns that it ran by the engine's clock; where that is not known, infinity: all of the time
   * @returns ns that are booked as run
   */
  end(ran: number, now: number): number {
    const booked = this.#close(now, ran);
    this.#state = IDLE;
    return booked;
  }

  #close(now: number, ran: number): number {
    const spent = Math.max(0, now - this.#since);
    const since = this.#since;
    this.#since = Math.max(now, this.#since);
    const vgpu = this.#vgpu;
    let busy = 0;
    if (this.#state === IDLE) this.#idle += spent;
    else {
      if (this.#state === BUSY) busy = Math.min(spent, Math.max(ran, this.#told));
      this.#busy[vgpu] = (this.#busy[vgpu] ?? 0) + busy;
      this.timeline.note(vgpu, since, since + busy);
      this.#switching[vgpu] = (this.#switching[vgpu] ?? 0) + spent - busy;
    }
    this.#told = 0;
    return busy;
  }

  #open(now: number): number {
    const open = Math.max(0, now - this.#since);
    if (this.#state === BUSY) this.#told = Math.max(this.#told, open);
    return open;
  }

  /** Seconds that the engine ran for a vGPU up to `now`, the running workload included. */
  busySeconds(vgpu: number, now: number): number {
    const open = this.#state === BUSY && this.#vgpu === vgpu ? this.#open(now) : 0;
    return ((this.#busy[vgpu] ?? 0) + open) / NS_PER_S;
  }

  switchingSeconds(vgpu: number, now: number): number {
    const open = this.#state === SWITCHING && this.#vgpu === vgpu ? this.#open(now) : 0;
    return ((this.#switching[vgpu] ?? 0) + open) / NS_PER_S;
  }

  totals(now: number): EngineTotals {
    const open = this.#open(now);
    const sum = (accounts: readonly number[]) => accounts.reduce((all, ns) => all + (ns ?? 0), 0);
    return {
      busy: (sum(this.#busy) + (this.#state === BUSY ? open : 0)) / NS_PER_S,
      idle: (this.#idle + (this.#state === IDLE ? open : 0)) / NS_PER_S,
      switching: (sum(this.#switching) + (this.#state === SWITCHING ? open : 0)) / NS_PER_S,
      total: (now - this.#start) / NS_PER_S,
    };
  }
}
