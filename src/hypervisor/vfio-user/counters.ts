/** What one server has seen and refused, over all its clients. Plain numbers: read at any time, exported by the control plane. */
import { COMMAND_NAMES, RULES, type Rule } from './protocol.js';

export class VfioUserCounters {
  /** Messages by command number; index 0 counts numbers that are no command. */
  readonly messages = new Float64Array(32);
  readonly refusals: Record<Rule, number>;
  /** Messages that must be answered, and answers made. */
  requests = 0;
  answers = 0;
  /** Messages that must not be answered. */
  posted = 0;
  /** Writes that arrived within REGION_WRITE_MULTI. */
  coalescedWrites = 0;
  bytesReceived = 0;
  bytesSent = 0;
  attaches = 0;
  detaches = 0;
  /** Interrupts that the VMM was told of, and those that it had given no descriptor for. */
  msiSignalled = 0;
  msiDropped = 0;
  intxSignalled = 0;
  intxDropped = 0;
  /** Ranges that are not RAM: no descriptor, read-only, or above the frames that the device can reach. */
  mapsWithoutMemory = 0;
  /** Unmaps that found nothing. */
  unmapsOfNothing = 0;

  constructor() {
    const zeroes = Object.fromEntries(Object.keys(RULES).map((rule) => [rule, 0]));
    this.refusals = zeroes as Record<Rule, number>;
  }

  /** Requests without an answer. Anything but 0 is a fault of ours. */
  get unanswered(): number {
    return this.requests - this.answers;
  }

  get refused(): number {
    let sum = 0;
    for (const count of Object.values(this.refusals)) sum += count;
    return sum;
  }

  /** Messages by command name, those that came at least once. */
  messagesByName(): Record<string, number> {
    const named: Record<string, number> = {};
    for (let i = 0; i < this.messages.length; i++) {
      if (this.messages[i]! > 0) named[COMMAND_NAMES[i] ?? 'unknown'] = this.messages[i]!;
    }
    return named;
  }

  /** Refusals by rule, those that happened. */
  refusalsByRule(): Record<string, number> {
    return Object.fromEntries(Object.entries(this.refusals).filter(([, count]) => count > 0));
  }
}
