/**
 * The mediator's own part of graphics address space: where shadow contexts, shadow rings, shadow batches and status pages
 * live. First fit over a sorted free list; pages are mapped in the physical GGTT when taken and unmapped when given back.
 */
import { PAGE_SIZE, XengtError } from '../base/index.js';
import type { DmaPages, Gpu } from '../gpu/index.js';
import { type GgttFormat, ggttFormat, PTE_PRESENT } from '../hw/index.js';

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
  readonly #format: GgttFormat;

  /** @param ranges page ranges of the GGTT that no vGPU is given */
  constructor(
    private readonly gpu: Gpu,
    ranges: readonly { readonly firstPage: number; readonly pages: number }[],
  ) {
    this.#format = ggttFormat(gpu.platform);
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
      this.gpu.writeGgtt(page + i, this.#format.lo(mfn, PTE_PRESENT), this.#format.hi(mfn));
    }
    return { memory, gmadr: page * PAGE_SIZE };
  }

  free(buffer: HostBuffer): void {
    const { memory } = buffer;
    const page = buffer.gmadr / PAGE_SIZE;
    this.giveEntries(page, memory.pages);
    this.gpu.free(memory);
  }

  /** Entries of the GGTT without memory behind them, the first a multiple of `align`. @throws XengtError XENGT_E_NO_SPACE */
  takeEntries(count: number, align: number): number {
    for (const run of this.#free) {
      const first = Math.ceil(run.page / align) * align;
      const after = run.page + run.pages - first - count;
      if (after < 0) continue;
      const at = this.#free.indexOf(run);
      const pieces = [
        { page: run.page, pages: first - run.page },
        { page: first + count, pages: after },
      ];
      this.#free.splice(at, 1, ...pieces.filter(({ pages }) => pages > 0));
      return first;
    }
    throw new XengtError('XENGT_E_NO_SPACE', `mediator graphics memory: no ${count} consecutive entries left`);
  }

  giveEntries(page: number, pages: number): void {
    for (let i = 0; i < pages; i++) this.gpu.writeGgtt(page + i, 0, 0);
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
