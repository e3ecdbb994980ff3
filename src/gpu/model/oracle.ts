/** The witness of isolation: counts every access that a running context had no right to, and keeps the last few. */
import type { IsolationOracle, IsolationViolation } from '../port.js';

const KEPT = 64;

export class ViolationLog implements IsolationOracle {
  violations = 0;
  readonly last: IsolationViolation[] = [];

  record(violation: IsolationViolation): void {
    this.violations++;
    if (this.last.length === KEPT) this.last.shift();
    this.last.push(violation);
  }
}
