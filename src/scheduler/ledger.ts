/**
 * Engine time, account by account. An engine is at every moment either idle, switching, or busy for one vGPU; whoever
 * changes that books the time since the last change. What is booked therefore adds up to the time that passed: the total is
 * read from the clock, not from the accounts, so that the sum can be checked against it.
 */
import { NS_PER_S } from '../base/index.js';

export const IDLE = 0;
export const SWITCHING = -1;
/** Accounts: vGPU ids are 1 and up, so 0 is idle and -1 is switching. */
type Account = number;

export class EngineLedger {
  #account: Account = IDLE;
  #since: number;
  readonly #start: number;
  #idle = 0;
  #switching = 0;
  /** Busy time by vGPU id, ns. A removed vGPU's time stays, so that totals never run backwards. */
  readonly #busy: number[] = [];

  constructor(now: number) {
    this.#start = now;
    this.#since = now;
  }

  /** Books the time since the last change and charges `account` from `now` on. @returns ns booked to the account left */
  enter(account: Account, now: number): number {
    const spent = Math.max(0, now - this.#since);
    this.#book(this.#account, spent);
    this.#account = account;
    this.#since = Math.max(now, this.#since);
    return spent;
  }

  #book(account: Account, ns: number): void {
    if (account === IDLE) this.#idle += ns;
    else if (account === SWITCHING) this.#switching += ns;
    else this.#busy[account] = (this.#busy[account] ?? 0) + ns;
  }

  /** Seconds charged to a vGPU up to `now`, the running workload included. */
  busySeconds(vgpu: number, now: number): number {
    const open = this.#account === vgpu ? Math.max(0, now - this.#since) : 0;
    return ((this.#busy[vgpu] ?? 0) + open) / NS_PER_S;
  }

  totals(now: number): { busy: number; idle: number; switching: number; total: number } {
    const open = Math.max(0, now - this.#since);
    let busy = this.#busy.reduce((sum, ns) => sum + (ns ?? 0), 0);
    let idle = this.#idle;
    let switching = this.#switching;
    if (this.#account === IDLE) idle += open;
    else if (this.#account === SWITCHING) switching += open;
    else busy += open;
    return {
      busy: busy / NS_PER_S,
      idle: idle / NS_PER_S,
      switching: switching / NS_PER_S,
      total: (now - this.#start) / NS_PER_S,
    };
  }
}
