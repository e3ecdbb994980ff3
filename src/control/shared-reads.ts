/**
 * The mediator as an audience asks it: many who want to know the same are one question. Shared is only what has not been asked
 * yet, so that everybody's answer is from after he asked, and what he has seen done before is in it.
 */
import type { MediatorApi } from '../mediator/api.js';

/** A question of one kind is asked no more often than that; who asks when nobody has lately is not made to wait. */
const SPACING_MS = 20;

function shared<T>(ask: () => Promise<T>): () => Promise<T> {
  /** Not asked yet. */
  let next: Promise<T> | null = null;
  let last = Number.NEGATIVE_INFINITY;
  const now = (): Promise<T> => {
    last = performance.now();
    return ask();
  };
  const later = async (wait: number): Promise<T> => {
    await new Promise((resolve) => setTimeout(resolve, wait));
    next = null;
    return now();
  };
  return () => {
    if (next !== null) return next;
    const wait = last + SPACING_MS - performance.now();
    if (wait <= 0) return now();
    next = later(wait);
    return next;
  };
}

export function sharedReads(mediator: MediatorApi): MediatorApi {
  const reads: Partial<MediatorApi> = {
    vgpus: shared(() => mediator.vgpus()),
    types: shared(() => mediator.types()),
    resources: shared(() => mediator.resources()),
    stats: shared(() => mediator.stats()),
    isolation: shared(() => mediator.isolation()),
  };
  return new Proxy(mediator, {
    get: (target, name) => {
      const own: unknown = Reflect.get(reads, name) ?? Reflect.get(target, name);
      return typeof own === 'function' ? own.bind(target) : own;
    },
  });
}
