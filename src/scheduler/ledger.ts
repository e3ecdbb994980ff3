/**
 * Engine time, account by account. An engine is at every moment either idle, switching, or busy for one vGPU; whoever
 * changes that books the time since the last change. What is booked therefore adds up to the time that passed: the total is
 * read from the clock, not from the accounts, so that the sum can be checked against it.
 *
 * Busy is what the engine's own clock says that commands ran for. It is known when a workload has ended; the rest of the time
 * since its preparation began (that, restoring and saving the context, the way of the interrupt) is switching on that vGPU's
 * behalf. When the engine began is its own business: a device that runs in the mediator's thread is told the time of the event in
 * which it was given its work, so by its clock it has run during the preparation, and the vGPU is charged for that. Where it began
 * even before the preparation, what does not fit is charged with what the vGPU runs next.
 */
import { NS_PER_MS, NS_PER_S } from '../base/index.js';
import { Timeline } from './timeline.js';

const IDLE = 0;
const SWITCHING = 1;
const BUSY = 2;

/** The most that is kept to be charged later, ns: by more than an event lasts the clocks do not differ. */
const MOST_OWED_NS = 10 * NS_PER_MS;

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
  /** When what is busy now was submitted: until then it was prepared. */
  #submitted = 0;
  /** Of the open time, what somebody has been told was busy and was switching: it is not taken back. */
  #toldBusy = 0;
  #toldSwitching = 0;
  readonly #start: number;
  #idle = 0;
  /** By vGPU id, ns. A removed vGPU's time stays, so that totals never run backwards. */
  readonly #busy: number[] = [];
  readonly #switching: number[] = [];
  /** By vGPU id, ns that it ran and that did not fit into the time since its preparation began. */
  readonly #owed: number[] = [];

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
    if (this.#state !== SWITCHING || this.#vgpu !== vgpu) this.#close(now, Number.POSITIVE_INFINITY);
    this.#submitted = Math.max(now, this.#since);
    this.#state = BUSY;
    this.#vgpu = vgpu;
  }

  /**
   * It has ended.
   * @param ran ns that it ran by the engine's clock; where that is not known, infinity: all of the time since it was submitted
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
      if (this.#state === BUSY) {
        const submitted = Math.max(0, now - this.#submitted);
        const known = ran === Number.POSITIVE_INFINITY ? submitted : ran + (this.#owed[vgpu] ?? 0);
        busy = Math.min(spent - this.#toldSwitching, Math.max(known, this.#toldBusy));
        if (ran !== Number.POSITIVE_INFINITY) this.#owed[vgpu] = Math.min(MOST_OWED_NS, Math.max(0, known - busy));
      }
      this.#busy[vgpu] = (this.#busy[vgpu] ?? 0) + busy;
      this.timeline.note(vgpu, since, since + busy);
      this.#switching[vgpu] = (this.#switching[vgpu] ?? 0) + spent - busy;
    }
    this.#toldBusy = 0;
    this.#toldSwitching = 0;
    return busy;
  }

  /** Of the time since the last booking, what counts for `account` so far: it is told, and not taken back. */
  #open(account: typeof IDLE | typeof SWITCHING | typeof BUSY, now: number): number {
    const open = Math.max(0, now - this.#since);
    if (this.#state !== BUSY) return account === this.#state ? open : 0;
    this.#toldSwitching = Math.min(open, this.#submitted - this.#since);
    this.#toldBusy = Math.max(this.#toldBusy, open - this.#toldSwitching);
    return account === BUSY ? this.#toldBusy : account === SWITCHING ? this.#toldSwitching : 0;
  }

  /** Seconds that the engine ran for a vGPU up to `now`, the running workload included. */
  busySeconds(vgpu: number, now: number): number {
    const open = this.#vgpu === vgpu ? this.#open(BUSY, now) : 0;
    return ((this.#busy[vgpu] ?? 0) + open) / NS_PER_S;
  }

  switchingSeconds(vgpu: number, now: number): number {
    const open = this.#vgpu === vgpu ? this.#open(SWITCHING, now) : 0;
    return ((this.#switching[vgpu] ?? 0) + open) / NS_PER_S;
  }

  totals(now: number): EngineTotals {
    const sum = (accounts: readonly number[]) => accounts.reduce((all, ns) => all + (ns ?? 0), 0);
    return {
      busy: (sum(this.#busy) + this.#open(BUSY, now)) / NS_PER_S,
      idle: (this.#idle + this.#open(IDLE, now)) / NS_PER_S,
      switching: (sum(this.#switching) + this.#open(SWITCHING, now)) / NS_PER_S,
      total: (now - this.#start) / NS_PER_S,
    };
  }
}
