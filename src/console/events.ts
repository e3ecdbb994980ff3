/** What happened, newest first: found by comparing each look with the one before. */
import type { MediatorStats, VgpuInfo } from './api.js';
import { changes } from './changes.js';
import { byId, make } from './dom.js';

const KEPT = 100;

export class Events {
  readonly #list = byId('events', HTMLOListElement);
  #vgpus: readonly VgpuInfo[] | null = null;
  #violations = 0;

  show(vgpus: readonly VgpuInfo[], { isolationViolations }: MediatorStats): void {
    const before = this.#vgpus;
    this.#vgpus = vgpus;
    if (before === null) this.note(`${vgpus.length} vGPUs`);
    else for (const text of changes(before, vgpus)) this.note(text);
    if (isolationViolations > this.#violations) this.note(`isolation violations: ${isolationViolations}`);
    this.#violations = isolationViolations;
  }

  note(text: string): void {
    const now = new Date();
    const time = make('time', '', now.toLocaleTimeString());
    time.dateTime = now.toISOString();
    this.#list.prepend(make('li', '', time, text));
    while (this.#list.childElementCount > KEPT) this.#list.lastElementChild?.remove();
  }
}
