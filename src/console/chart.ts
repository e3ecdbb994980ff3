/** GPU time per vGPU, live: the share of one engine that each had, look by look, of the last two minutes. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { MediatorStats } from './api.js';
import { byId, colourNow, colourOf, make, percent, resolved, say } from './dom.js';

const KEPT = 120;
const HEIGHT = 200;
/** The scale ends there when everybody does little. */
const LEAST_TOP = 0.05;

interface Look {
  /** Uptime. */
  readonly at: number;
  /** By engine, then by vGPU: share of the time since the look before. */
  readonly shares: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

export class Chart {
  readonly #root = byId('chart', HTMLElement);
  readonly #engine = byId('engine', HTMLSelectElement);
  readonly #legend = byId('legend', HTMLUListElement);
  readonly #scheme = matchMedia('(prefers-color-scheme: dark)');
  #looks: Look[] = [];
  #last: MediatorStats | null = null;
  #plot: uPlot | null = null;
  /** What the plot was made for. */
  #made = '';

  constructor() {
    this.#engine.addEventListener('change', () => this.#draw());
    this.#scheme.addEventListener('change', () => this.#draw());
    new ResizeObserver(() => this.#plot?.setSize({ width: this.#root.clientWidth, height: HEIGHT })).observe(
      this.#root,
    );
  }

  show(stats: MediatorStats): void {
    const last = this.#last;
    this.#last = stats;
    this.#choices(stats);
    // A daemon that started again counts from zero: what was seen before says nothing about it.
    if (last === null || stats.uptimeSeconds <= last.uptimeSeconds) this.#looks = [];
    else this.#looks = [...this.#looks, lookOf(stats, last)].slice(-KEPT);
    this.#draw();
  }

  #choices({ engines }: MediatorStats): void {
    const names = engines.map(({ name }) => name);
    if (names.join() === [...this.#engine.options].map(({ value }) => value).join()) return;
    this.#engine.replaceChildren(...names.map((name) => new Option(name, name)));
  }

  #draw(): void {
    const vgpus = this.#last?.vgpus ?? [];
    const engine = this.#engine.value;
    const columns = vgpus.map(({ id }) => this.#looks.map(({ shares }) => shares.get(engine)?.get(id) ?? 0));
    const data: uPlot.AlignedData = [this.#looks.map(({ at }) => at), ...columns];
    const made = JSON.stringify([engine, this.#scheme.matches, vgpus.map(({ id, name }) => [id, name])]);
    if (made !== this.#made) {
      this.#made = made;
      this.#plot?.destroy();
      this.#plot = new uPlot(this.#options(vgpus), data, this.#root);
    } else this.#plot?.setData(data);
    const newest = this.#looks.at(-1)?.shares.get(engine);
    const shares = vgpus.map(({ id }) => newest?.get(id) ?? 0);
    this.#legend.replaceChildren(
      ...vgpus.map(({ id, name }, i) => {
        const dot = make('span', 'dot');
        dot.style.background = colourOf(id);
        return make('li', '', dot, name, make('span', 'share', percent(shares[i] ?? 0)));
      }),
    );
    const words = vgpus.map(({ name }, i) => `${name} ${percent(shares[i] ?? 0)}`).join(', ');
    this.#root.setAttribute('role', 'img');
    this.#root.setAttribute('aria-label', `Share of ${engine} now: ${words === '' ? 'no vGPUs' : words}`);
  }

  #options(vgpus: MediatorStats['vgpus']): uPlot.Options {
    const axis = {
      stroke: resolved('--faint'),
      grid: { stroke: resolved('--line') },
      ticks: { stroke: resolved('--line') },
    };
    const newest = () => this.#looks.at(-1)?.at ?? 0;
    return {
      width: this.#root.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: false, range: () => [newest() - KEPT, newest()] },
        y: { range: (_plot, _least, most) => [0, Math.min(1, Math.max(LEAST_TOP, most * 1.1))] },
      },
      axes: [
        { ...axis, values: (_plot, ticks) => ticks.map((tick) => `${Math.round(tick - newest())} s`) },
        { ...axis, values: (_plot, ticks) => ticks.map((tick) => `${Number((tick * 100).toFixed(1))} %`) },
      ],
      series: [
        {},
        ...vgpus.map(({ id, name }) => ({ label: name, stroke: colourNow(id), width: 2, points: { show: false } })),
      ],
    };
  }
}

function lookOf(now: MediatorStats, then: MediatorStats): Look {
  const shares = new Map<string, ReadonlyMap<number, number>>();
  for (const { name, totalSeconds } of now.engines) {
    const total = totalSeconds - (then.engines.find((engine) => engine.name === name)?.totalSeconds ?? 0);
    const of = new Map<number, number>();
    for (const vgpu of now.vgpus) {
      const before = then.vgpus.find(({ id }) => id === vgpu.id)?.gpuSeconds[name] ?? 0;
      of.set(vgpu.id, total > 0 ? Math.max(0, (vgpu.gpuSeconds[name] ?? 0) - before) / total : 0);
    }
    shares.set(name, of);
  }
  return { at: now.uptimeSeconds, shares };
}

export function showDevice(stats: MediatorStats, up: string): void {
  say(byId('device', HTMLElement), `${stats.device}, ${stats.platform}, up ${up}`);
  const clean = stats.isolationViolations === 0 && stats.unansweredTraps === 0;
  const isolation = byId('isolation', HTMLElement);
  say(isolation, `isolation violations ${stats.isolationViolations}, unanswered traps ${stats.unansweredTraps}`);
  isolation.className = clean ? '' : 'bad';
}
