/**
 * The mediator's own part of graphics address space: where shadow contexts, shadow rings, shadow batches and status pages
 * live. First fit over a sorted free list; pages are mapped in the physical GGTT when taken and unmapped when given back.
 */
import { PAGE_SIZE, XengtError } from '../base/index.js';
import type { DmaPages, Gpu } from '../gpu/index.js';
import { frameHi, frameLo, PTE_PRESENT } from '../hw/index.js';

interface Run {
  page: number;
  pages: number;
}

/** Pages of the mediator in both address spaces. */
export interface HostBuffer {
  readonly memory: DmaPages;
  /** GMADR of the first page. */
  readonly gmadr: number;
}

export class HostGm {
  readonly #free: Run[];

  /** @param ranges page ranges of the GGTT that no vGPU is given */
  constructor(
    private readonly gpu: Gpu,
    ranges: readonly { readonly firstPage: number; readonly pages: number }[],
  ) {
    this.#free = ranges.map((range) => ({ page: range.firstPage, pages: range.pages }));
  }

  /** @throws XengtError XENGT_E_NO_SPACE when graphics memory or the device's page pool is exhausted */
  allocate(pages: number, owner: number): HostBuffer {
    const run = this.#free.find((candidate) => candidate.pages >= pages);
    if (!run) throw new XengtError('XENGT_E_NO_SPACE', `mediator graphics memory: no ${pages} consecutive pages left`);
    const memory = this.gpu.allocate(pages, owner);
    const page = run.page;
    run.page += pages;
    run.pages -= pages;
    if (run.pages === 0) this.#free.splice(this.#free.indexOf(run), 1);
    for (let i = 0; i < pages; i++) {
      const mfn = memory.mfn + i;
      this.gpu.writeGgtt(page + i, (frameLo(mfn) | PTE_PRESENT) >>> 0, frameHi(mfn));
    }
    return { memory, gmadr: page * PAGE_SIZE };
  }

  free(buffer: HostBuffer): void {
    const page = buffer.gmadr / PAGE_SIZE;
    const { pages } = buffer.memory;
    for (let i = 0; i < pages; i++) this.gpu.writeGgtt(page + i, 0, 0);
    this.gpu.free(buffer.memory);
    const after = this.#free.findIndex((run) => run.page > page);
    const index = after < 0 ? this.#free.length : after;
    this.#free.splice(index, 0, { page, pages });
    this.#merge(index);
    this.#merge(index - 1);
  }

  /** Joins the run at `index` with the next one where they touch. */
  #merge(index: number): void {
    const run = this.#free[index];
    const next = this.#free[index + 1];
    if (!run || !next || run.page + run.pages !== next.page) return;
    run.pages += next.pages;
    this.#free.splice(index + 1, 1);
  }
}
