/** What one client may have of the tree at a time, so that a busy or careless one leaves room for the others. */
import { TreeRefusal } from './errno.js';

export interface QuotaLimits {
  /** Transactions under way or waiting. */
  readonly writes: number;
  readonly watches: number;
}

const LIMITS: QuotaLimits = { writes: 64, watches: 1024 };

export class Quota {
  readonly #limits: QuotaLimits;
  readonly #taken = new Map<string, number>();

  constructor(limits: Partial<QuotaLimits>) {
    this.#limits = { ...LIMITS, ...limits };
  }

  /**
   * @returns gives it back; further calls do nothing
   * @throws TreeRefusal EAGAIN for a write too many, EDQUOT for a watch too many
   */
  take(kind: keyof QuotaLimits, client: string): () => void {
    const key = `${kind} ${client}`;
    const taken = this.#taken.get(key) ?? 0;
    const limit = this.#limits[kind];
    if (taken >= limit) {
      throw new TreeRefusal(
        kind === 'writes' ? 'EAGAIN' : 'EDQUOT',
        `${client} has ${taken} ${kind}; ${limit} are allowed`,
      );
    }
    this.#taken.set(key, taken + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (this.#taken.get(key) ?? 1) - 1;
      if (left === 0) this.#taken.delete(key);
      else this.#taken.set(key, left);
    };
  }
}
