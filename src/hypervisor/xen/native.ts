/**
 * What the addon does for Xen guests. A guest is a small number from `xenOpen` to `xenClose`; results below zero are
 * -errno, as everywhere in the addon.
 */

/** Fields of a request in what `xenNext` fills. */
export const REQUEST = {
  ADDRESS_LO: 0,
  ADDRESS_HI: 1,
  DATA_LO: 2,
  DATA_HI: 3,
  COUNT: 4,
  SIZE: 5,
  FLAGS: 6,
  TYPE: 7,
  DWORDS: 8,
} as const;

/** Flags and types of requests (Xen's public header hvm/ioreq.h). */
export const REQUEST_FLAG = { DATA_IS_POINTER: 0x10, READ: 0x20, DOWNWARDS: 0x40 } as const;
export const REQUEST_TYPE = { PIO: 0, COPY: 1, PCI_CONFIG: 2, TIME_OFFSET: 7, INVALIDATE: 8 } as const;

export interface XenNative {
  /** Loads Xen's libraries from `folder`, or from the system when it is ''. @returns '' or what is missing, in a sentence */
  xenLoad(folder: string): string;
  xenOpen(domid: number): number;
  /** Undoes everything; vCPUs that wait for an answer get all ones. @returns the first error met, if any */
  xenClose(guest: number): number;
  /** 1 when the handles of this guest can reach no other domain. */
  xenRestricted(guest: number): number;
  xenCreateServer(guest: number): number;
  /** For a server that an earlier run left behind. */
  xenDestroyServer(domid: number, server: number): number;
  xenMapRequests(guest: number): number;
  /** Configuration accesses to this function of bus 0 come here. */
  xenClaimPci(guest: number, device: number, fn: number): number;
  xenSetRange(guest: number, add: boolean, memory: boolean, start: number, bytes: number): number;
  xenEnable(guest: number): number;
  xenVcpus(guest: number): number;
  /** After xenEnable. @returns the local port of the vCPU's event channel */
  xenBind(guest: number, vcpu: number): number;
  xenFd(guest: number): number;
  /** From now on epollWait answers plain reads of this guest itself, whose descriptor is registered there as `id`. */
  xenServe(guest: number, ep: number, id: number): number;
  /** Registers that are read without asking anybody; a negative base: none. */
  xenPlain(guest: number, base: number, bank: Uint32Array | null, plain: Uint8Array | null): number;
  /** 1 when requests wait for xenNext; below zero: no event can be taken any more. */
  xenPump(guest: number): number;
  /** @returns the vCPU whose request is in `into`, -1 when none waits */
  xenNext(guest: number, into: Uint32Array): number;
  xenAnswer(guest: number, vcpu: number, lo: number, hi: number): number;
  /** [requests, plain reads among them, stray events] */
  xenCounts(guest: number, into: Float64Array): number;
  xenMsi(guest: number, address: number, data: number): number;
  xenIntx(guest: number, device: number, asserted: boolean): number;
  xenMapMemType(guest: number, type: number, flags: number): number;
  xenSetMemType(guest: number, type: number, first: number, count: number): number;
  /**
   * Maps `present.length` frames from `first` on into an arena, at byte `at`; `present` becomes 1 for those that exist.
   * @returns how many do; -EFAULT: this part of the arena is lost for good
   */
  xenMapFrames(guest: number, arena: ArrayBuffer, at: number, first: number, present: Uint8Array): number;
  /** Zero pages instead of what is mapped there. */
  xenUnmapFrames(arena: ArrayBuffer, at: number, frames: number): number;
  /** Frames of a device of the host appear in the guest, or no longer. */
  xenMapHost(domid: number, add: boolean, gfn: number, mfn: number, frames: number): number;
}
