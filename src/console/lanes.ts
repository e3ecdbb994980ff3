/** Engine timelines: a lane per engine, in which a stretch of a vGPU's colour says that it ran then. */
import { api, type Timelines, type VgpuInfo } from './api.js';
import { byId, colourNow, make, percent, resolved, say } from './dom.js';

/** Seconds that a lane shows. */
const SPAN = 10;

type Run = Timelines['engines'][number]['runs'][number];

interface Lane {
  readonly canvas: HTMLCanvasElement;
  runs: Run[];
}

export class Lanes {
  readonly #root = byId('lanes', HTMLElement);
  readonly #lanes = new Map<string, Lane>();
  #now = 0;

  constructor() {
    say(byId('span', HTMLElement), `the last ${SPAN} s`);
  }

  async look(vgpus: readonly VgpuInfo[]): Promise<void> {
    const { now, engines } = await api.timelines(Math.max(0, this.#now - 1));
    // A daemon that started again has a new past.
    if (now < this.#now) for (const lane of this.#lanes.values()) lane.runs = [];
    this.#now = now;
    for (const { name, runs } of engines) {
      const lane = this.#lanes.get(name) ?? this.#lane(name);
      // The newest stretch may have grown since it was seen first.
      const starts = new Set(runs.map(([vgpu, from]) => `${vgpu} ${from}`));
      lane.runs = [...lane.runs.filter(([vgpu, from]) => !starts.has(`${vgpu} ${from}`)), ...runs].filter(
        ([, , to]) => to > now - SPAN,
      );
      draw(lane, name, now, vgpus);
    }
  }

  #lane(name: string): Lane {
    const canvas = make('canvas');
    canvas.setAttribute('role', 'img');
    this.#root.append(make('div', 'lane', make('b', '', name), canvas));
    const lane = { canvas, runs: [] };
    this.#lanes.set(name, lane);
    return lane;
  }
}

function draw({ canvas, runs }: Lane, name: string, now: number, vgpus: readonly VgpuInfo[]): void {
  const scale = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.fillStyle = resolved('--track');
  context.fillRect(0, 0, width, height);
  const place = (time: number) => ((time - now) / SPAN + 1) * width;
  const ran = new Map<number, number>();
  const colours = new Map([...new Set(runs.map(([vgpu]) => vgpu))].map((vgpu) => [vgpu, colourNow(vgpu)]));
  for (const [vgpu, from, to] of runs) {
    const left = Math.max(0, place(from));
    context.fillStyle = colours.get(vgpu) ?? '';
    // What is shorter than a pixel is still seen.
    context.fillRect(left, 0, Math.max(1, place(to) - left), height);
    ran.set(vgpu, (ran.get(vgpu) ?? 0) + Math.min(SPAN, to - Math.max(from, now - SPAN)));
  }
  const words = vgpus
    .filter(({ id }) => ran.has(id))
    .map(({ id, name: who }) => `${who} ${percent((ran.get(id) ?? 0) / SPAN)}`);
  canvas.setAttribute('aria-label', `${name}, last ${SPAN} s: ${words.length === 0 ? 'idle' : words.join(', ')}`);
}
