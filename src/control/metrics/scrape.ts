import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { MediatorApi, MediatorStats } from '../../mediator/api.js';
import { TrapTimeHistogram } from './histogram.js';
import { type Row, rows } from './rows.js';

/** Gauges that are named as counters are: promtool takes offence. What they sum up is there by type, under the name without `_total`. */
const MISNAMED = ['handles', 'requests', 'resources'].map((what) => `nodejs_active_${what}_total`);

export class Metrics {
  readonly #registry = new Registry();
  readonly #mediator: MediatorApi;
  /** The snapshot that the scrape under way shows. */
  #stats: Promise<MediatorStats> | undefined;
  #scrape: Promise<string> | undefined;

  constructor(mediator: MediatorApi, version: string) {
    this.#mediator = mediator;
    for (const row of rows(version)) this.#add(row);
    new TrapTimeHistogram(this.#registry, () => this.#stats);
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The text of one scrape. Scrapes at the same time share one. */
  scrape(): Promise<string> {
    this.#scrape ??= this.#collect().finally(() => {
      this.#scrape = undefined;
    });
    return this.#scrape;
  }

  async #collect(): Promise<string> {
    const snapshot = this.#mediator.stats();
    this.#stats = snapshot;
    await snapshot;
    return this.#registry.metrics();
  }

  #add(row: Row): void {
    const snapshot = () => this.#stats;
    const common = { name: row.name, help: row.help, labelNames: [...row.labels], registers: [this.#registry] };
    if (row.kind === 'counter') {
      new Counter({
        ...common,
        async collect() {
          const stats = await snapshot();
          if (stats === undefined) return;
          this.reset();
          // Idle time is a difference of floats and may come out as -1e-12: such a total is nothing, not a step back.
          for (const [labels, value] of row.samples(stats)) this.inc(labels, Math.max(0, value));
        },
      });
    } else {
      new Gauge({
        ...common,
        async collect() {
          const stats = await snapshot();
          if (stats === undefined) return;
          this.reset();
          for (const [labels, value] of row.samples(stats)) this.set(labels, value);
        },
      });
    }
  }
}
