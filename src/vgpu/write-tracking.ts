/** How writes to a guest's page tables become known, by what its adapter can do. */
import { SYNC_ON_SUBMIT, type TrackingStrategy } from '../gtt/index.js';
import type { GuestPort } from '../hypervisor/index.js';

/** @returns write protection where the adapter has it (it gives up on pages that are written often), else comparison */
export function trackingOf(guest: GuestPort): TrackingStrategy {
  const { takeWritten } = guest;
  if (!guest.canTrackWrites || takeWritten === undefined) return SYNC_ON_SUBMIT;
  return {
    track: (gfn) => guest.trackWrites(gfn, true),
    untrack: (gfn) => void guest.trackWrites(gfn, false),
    takeDirty: (gfn) => takeWritten.call(guest, gfn),
  };
}
