/** Trap service time as a histogram: the mediator has counted by step already, so that there is nothing to observe here. */
import { Histogram, type Registry } from 'prom-client';
import { type MediatorStats, TRAP_SAMPLE, TRAP_STEPS } from '../../mediator/api.js';

type Value = { value: number; labels: Partial<Record<'vgpu' | 'le', string | number>>; metricName: string };

export const TRAP_SECONDS = 'xengt_vgpu_trap_seconds';

const HELP = `Time that the mediator took to answer a trap; one trap in ${TRAP_SAMPLE} is timed.`;

export class TrapTimeHistogram extends Histogram<'vgpu'> {
  readonly #stats: () => Promise<MediatorStats> | undefined;

  constructor(registry: Registry, stats: () => Promise<MediatorStats> | undefined) {
    super({
      name: TRAP_SECONDS,
      help: HELP,
      labelNames: ['vgpu'],
      buckets: [...TRAP_STEPS],
      registers: [registry],
    });
    this.#stats = stats;
  }

  /** What a histogram is made text of (it has this besides the declared `get`, which asks it too). */
  async getForPromString() {
    return { name: TRAP_SECONDS, help: HELP, type: 'histogram', values: await this.#values(), aggregator: 'sum' };
  }

  async #values(): Promise<Value[]> {
    const values: Value[] = [];
    for (const { name: vgpu, trapTimes } of (await this.#stats())?.vgpus ?? []) {
      const { upTo, count, seconds } = trapTimes;
      const add = (part: string, value: number, le?: number | string) =>
        values.push({
          value,
          metricName: `${TRAP_SECONDS}_${part}`,
          labels: le === undefined ? { vgpu } : { le, vgpu },
        });
      TRAP_STEPS.forEach((end, step) => void add('bucket', upTo[step] ?? 0, end));
      add('bucket', count, '+Inf');
      add('sum', seconds);
      add('count', count);
    }
    return values;
  }
}
