/**
 * Shadows of a vGPU's contexts on one engine. Each of the contexts that it used last has a shadow of its own, which after a run
 * holds what the guest's image holds; so before the next run only what the guest has changed since is copied, and after it only
 * what the engine has. Whether a page has changed is seen by comparing: guests write their images without a trap, and reuse
 * the addresses of contexts that are gone.
 */
import { PAGE_DWORDS, PAGE_SHIFT, PAGE_SIZE, XengtError } from '../base/index.js';
import { CTX, CTX_DWORDS, contextPages, type EngineId, type Platform } from '../hw/index.js';
import type { Client } from './client.js';
import type { HostBuffer, HostGm } from './host-gm.js';
import { carry, same } from './page-pairs.js';
import type { Workload } from './workload.js';

/** Shadows of one vGPU and engine. A desktop's processes that draw at a time are fewer. */
export const MOST_SHADOWS = 8;

export interface ContextShadow {
  /** GMADR of the guest's image that it is of. */
  lrca: number;
  readonly image: HostBuffer;
}

export class ContextShadows {
  constructor(
    private readonly platform: Platform,
    private readonly gm: HostGm,
  ) {}

  /**
   * The shadow for a workload, with all of the guest's image but the status page and the described registers.
   * @throws XengtError XENGT_E_CONTEXT at a page that is not mapped, XENGT_E_NO_SPACE without memory for a first shadow
   */
  take(client: Client, workload: Workload): ContextShadow {
    const shadow = this.#shadow(client, workload);
    const { words, at } = shadow.image.memory;
    const first = workload.lrca >>> PAGE_SHIFT;
    const pages = contextPages(workload.engine, this.platform.gen);
    if (this.#unchanged(client, first, pages, shadow)) return shadow;
    for (let page = 1; page < pages; page++) {
      const from = client.locate(first + page);
      if (from < 0) {
        const gmadr = ((first + page) * PAGE_SIZE).toString(16);
        throw new XengtError('XENGT_E_CONTEXT', `context image: GMADR 0x${gmadr} is not mapped by the guest's GGTT`);
      }
      const skip = page === 1 ? CTX_DWORDS : 0;
      const to = at + page * PAGE_DWORDS + skip;
      client.copied.contextIn += carry(client.words, from + skip, words, to, PAGE_DWORDS - skip);
    }
    return shadow;
  }

  /** Brings the engine's state back into the guest's image, with the head where the guest's ring now is. */
  save(client: Client, workload: Workload, shadow: ContextShadow): void {
    const { words, at } = shadow.image.memory;
    const first = workload.lrca >>> PAGE_SHIFT;
    const pages = contextPages(workload.engine, this.platform.gen);
    const last = this.#unchanged(client, first, pages, shadow) ? 1 : pages - 1;
    for (let page = 1; page <= last; page++) {
      const to = client.locate(first + page);
      if (to < 0) continue;
      const from = at + page * PAGE_DWORDS;
      const skip = page === 1 ? CTX_DWORDS : 0;
      client.copied.contextOut += carry(words, from + skip, client.words, to + skip, PAGE_DWORDS - skip);
      if (page > 1) continue;
      client.words[to + CTX.RING_HEAD] = workload.tail;
      client.words[to + CTX.CONTEXT_CONTROL] = words[from + CTX.CONTEXT_CONTROL]!;
      client.words[to + CTX.CTX_TIMESTAMP] = words[from + CTX.CTX_TIMESTAMP]!;
    }
  }

  release(client: Client): void {
    for (const shadows of client.contexts) for (const { image } of shadows ?? []) this.gm.free(image);
    client.contexts.length = 0;
  }

  /** Where a guest's image lies in one piece, which it mostly does, one look tells that nothing of it differs from the shadow. */
  #unchanged(client: Client, first: number, pages: number, { image }: ContextShadow): boolean {
    const start = client.locate(first + 1);
    const { words } = client;
    for (let page = 2; page < pages; page++) {
      if (client.locate(first + page) !== start + (page - 1) * PAGE_DWORDS || client.words !== words) return false;
    }
    if (start < 0) return false;
    const from = image.memory.at + PAGE_DWORDS + CTX_DWORDS;
    return same(words, start + CTX_DWORDS, image.memory.words, from, (pages - 1) * PAGE_DWORDS - CTX_DWORDS);
  }

  /** The last used stands first. */
  #shadow(client: Client, { engine, lrca }: Workload): ContextShadow {
    const shadows = client.contexts[engine] ?? [];
    client.contexts[engine] = shadows;
    let at = 0;
    while (at < shadows.length && shadows[at]!.lrca !== lrca) at++;
    if (at === shadows.length) {
      if (at < MOST_SHADOWS) this.#add(shadows, client.id, engine, lrca);
      at = shadows.length - 1;
      shadows[at]!.lrca = lrca;
    }
    const found = shadows[at]!;
    for (; at > 0; at--) shadows[at] = shadows[at - 1]!;
    shadows[0] = found;
    return found;
  }

  /** Without memory for another shadow the one that was not used for longest serves again; without any there is none. */
  #add(shadows: ContextShadow[], owner: number, engine: EngineId, lrca: number): void {
    try {
      shadows.push({ lrca, image: this.gm.allocate(contextPages(engine, this.platform.gen), owner) });
    } catch (error) {
      const scarce = error instanceof XengtError && error.code === 'XENGT_E_NO_SPACE';
      if (!scarce || shadows.length === 0) throw error;
    }
  }
}
