/**
 * The wall of screens, and one of them full size. A guest paints within its canvas and nowhere else: the coloured border and the
 * name around it are the page's, at full size too, where nothing of the guest reaches the edges of the window.
 */
import type { VgpuInfo } from './api.js';
import { byId, colourOf, follow, make, say } from './dom.js';
import { ScreenLink } from './screen-link.js';

const WALL_FPS = 10;
const FULL_FPS = 30;
/** Those that nobody sees behind the one at full size. */
const BEHIND_FPS = 1;

interface Tile {
  readonly root: HTMLLIElement;
  readonly frame: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  readonly name: HTMLElement;
  readonly mode: HTMLElement;
  readonly button: HTMLButtonElement;
}

export class Wall {
  readonly #link: ScreenLink;
  readonly #list = byId('wall', HTMLUListElement);
  readonly #full = byId('full', HTMLDialogElement);
  readonly #tiles = new Map<number, Tile>();
  #ids: readonly number[] = [];
  #open: number | null = null;

  constructor(tell: (open: boolean) => void) {
    this.#link = new ScreenLink(tell);
    this.#full.addEventListener('close', () => this.#back());
    document.addEventListener('visibilitychange', () => this.#watch());
  }

  show(vgpus: readonly VgpuInfo[]): void {
    this.#ids = vgpus.map(({ id }) => id);
    for (const id of this.#tiles.keys()) if (!this.#ids.includes(id)) this.#link.forget(id);
    if (this.#open !== null && !this.#ids.includes(this.#open)) this.#full.close();
    follow(this.#tiles, this.#ids, this.#list, (id) => this.#tile(id));
    for (const info of vgpus) {
      const tile = this.#tiles.get(info.id);
      if (tile === undefined) continue;
      const { mode } = info;
      say(tile.name, info.name);
      const size = mode === null ? 'nothing shown' : `${mode.width} × ${mode.height}, ${Math.round(mode.refreshHz)} Hz`;
      say(tile.mode, size);
      tile.button.setAttribute('aria-label', `Screen of ${info.name}, ${size}: open at full size`);
    }
    byId('no-screens', HTMLElement).hidden = vgpus.length > 0;
    this.#watch();
  }

  #watch(): void {
    const wanted: Record<number, number> = {};
    if (!document.hidden) {
      for (const id of this.#ids)
        wanted[id] = this.#open === null ? WALL_FPS : id === this.#open ? FULL_FPS : BEHIND_FPS;
    }
    this.#link.watch(wanted);
  }

  #tile(id: number): Tile {
    const canvas = make('canvas');
    canvas.width = canvas.height = 0;
    const name = make('b');
    const mode = make('span');
    const blank = make('span', 'blank', 'no picture');
    const frame = make('div', 'frame', make('div', 'plate', name, mode), make('div', 'glass', canvas, blank));
    frame.style.setProperty('--own', colourOf(id));
    const button = make('button', 'screen', frame);
    button.type = 'button';
    button.addEventListener('click', () => this.#enlarge(id));
    const root = make('li', '', button);
    root.dataset.vgpu = String(id);
    this.#link.show(id, {
      canvas,
      painted: ({ width, height }) => {
        blank.hidden = width > 0;
        canvas.hidden = width === 0;
        if (width > 0) canvas.style.aspectRatio = `${width} / ${height}`;
        canvas.dataset.updates = String(Number(canvas.dataset.updates ?? 0) + 1);
      },
    });
    return { root, frame, canvas, name, mode, button };
  }

  #enlarge(id: number): void {
    const tile = this.#tiles.get(id);
    if (tile === undefined || this.#open !== null) return;
    this.#open = id;
    tile.name.id = 'full-name';
    const close = make('button', 'close', 'Close');
    close.type = 'button';
    close.addEventListener('click', () => this.#full.close());
    this.#full.replaceChildren(tile.frame, close);
    this.#full.showModal();
    close.focus();
    this.#watch();
  }

  #back(): void {
    const tile = this.#open === null ? undefined : this.#tiles.get(this.#open);
    this.#open = null;
    this.#full.replaceChildren();
    if (tile !== undefined) {
      tile.name.removeAttribute('id');
      tile.button.append(tile.frame);
      tile.button.focus();
    }
    this.#watch();
  }
}
