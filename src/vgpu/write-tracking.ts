/** How writes to a guest's page tables become known, by what its adapter can do. */
import { SYNC_ON_SUBMIT, type TrackingStrategy } from '../gtt/index.js';
import type { GuestPort } from '../hypervisor/index.js';

/** Write protection where the adapter has it, or comparison at each submission in any case. */
export type PageTables = 'auto' | 'compare';

/** @returns write protection where it is to be had (the adapter gives up on pages that are written often), else comparison */
export function trackingOf(guest: GuestPort, asked: PageTables): TrackingStrategy {
  const { takeWritten } = guest;
  if (asked === 'compare' || !guest.canTrackWrites || takeWritten === undefined) return SYNC_ON_SUBMIT;
  return {
    track: (gfn) => guest.trackWrites(gfn, true),
    untrack: (gfn) => void guest.trackWrites(gfn, false),
    takeDirty: (gfn) => takeWritten.call(guest, gfn),
  };
}
