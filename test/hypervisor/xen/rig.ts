/** What the tests of this folder share: a device that remembers what it was asked, and a guest attached to it. */
import { type GuestPort, SPACE, type TrapSink } from '../../../src/hypervisor/port.js';
import { Waiter } from '../../../src/hypervisor/waiter.js';
import { XenServer, type XenServerOptions } from '../../../src/hypervisor/xen/index.js';
import type { Access, FakeDomain, Slot } from './fake-domain.js';
import { FakeXen } from './fake-xen.js';

export const MIB = 2 ** 20;
export const APERTURE = 64 * MIB;
export const FRAME_BASE = 0x1000000;
export const DOMID = 7;
export const BAR0 = 0xf0000000;
export const BAR2 = 0xe0000000;
/** 00:02.0 in the high half of a configuration request's address. */
export const CONFIG = 0x10 * 2 ** 32;
/** RAM of the rig's domain, in pages. */
export const RAM_PAGES = 1024;

export interface Seen {
  readonly space: number;
  readonly offset: number;
  readonly bytes: number;
  readonly lo: number;
  readonly hi: number;
}

/** A device whose registers hold what was written, in bytes. */
export class Device implements TrapSink {
  readHi = 0;
  readonly writes: Seen[] = [];
  readonly reads: { space: number; offset: number; bytes: number }[] = [];
  readonly bytes = {
    [SPACE.BAR0]: new Uint8Array(16 * MIB),
    [SPACE.BAR2]: new Uint8Array(APERTURE),
    [SPACE.CONFIG]: new Uint8Array(256),
  };
  /** Set: the next access throws it. */
  fault: unknown = null;
  /** Called before each access is done. */
  before: (() => void) | null = null;
  answered = 0;
  readonly plainRegisters = {
    bank: new Uint32Array(1024),
    plain: new Uint8Array(1024),
    answered: (reads: number) => {
      this.answered += reads;
    },
  };

  #enter(): void {
    this.before?.();
    if (this.fault === null) return;
    const { fault } = this;
    this.fault = null;
    throw fault;
  }

  read(space: 0 | 2 | 7, offset: number, bytes: number): number {
    this.#enter();
    this.reads.push({ space, offset, bytes });
    const at = (i: number) => this.bytes[space][offset + i]!;
    this.readHi = bytes === 8 ? (at(4) | (at(5) << 8) | (at(6) << 16) | (at(7) << 24)) >>> 0 : 0x5a5a5a5a;
    let value = 0;
    for (let i = 0; i < Math.min(bytes, 4); i++) value |= at(i) << (8 * i);
    return value >>> 0;
  }

  write(space: 0 | 2 | 7, offset: number, bytes: number, lo: number, hi: number): void {
    this.#enter();
    this.writes.push({ space, offset, bytes, lo, hi });
    for (let i = 0; i < bytes; i++) this.bytes[space][offset + i] = i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4));
  }

  reset(): void {}
  readConfigBlock(): void {}
}

export interface Rig {
  readonly xen: FakeXen;
  readonly waiter: Waiter;
  readonly domain: FakeDomain;
  readonly device: Device;
  readonly server: XenServer;
  readonly port: GuestPort;
  readonly logs: string[];
  readonly faults: unknown[];
  detached: number;
  /** Puts a request before the device and lets it be served. @returns its answer; null when it went to nobody */
  ask(access: Access, vcpu?: number): Slot | null;
  /** BARs at BAR0 and BAR2, decoded. */
  place(): void;
}

export interface RigOptions {
  readonly vcpus?: number;
  readonly xen?: FakeXen;
  readonly domid?: number;
  readonly options?: Partial<XenServerOptions>;
}

/** A host with one domain, and a device attached to it. */
export function rig({ vcpus = 1, xen = new FakeXen(), domid = DOMID, options = {} }: RigOptions = {}): Rig {
  const domain = xen.domain(domid, vcpus);
  domain.populate(0, RAM_PAGES);
  const waiter = new Waiter(xen);
  const device = new Device();
  const logs: string[] = [];
  const faults: unknown[] = [];
  const ports: GuestPort[] = [];
  const server = new XenServer({
    native: xen,
    waiter,
    domid,
    apertureBytes: APERTURE,
    frameBase: FRAME_BASE,
    windows: 2,
    makeGuest: (port) => {
      ports.push(port);
      return device;
    },
    onDetach: () => {
      made.detached++;
    },
    onFault: (error) => void faults.push(error),
    log: (line) => void logs.push(line),
    ...options,
  });
  const made: Rig = {
    xen,
    waiter,
    domain,
    device,
    server,
    port: ports[0] ?? server.guest,
    logs,
    faults,
    detached: 0,
    ask(access, vcpu = 0) {
      if (!domain.request(vcpu, access)) return null;
      const slot = domain.server.slots[vcpu]!;
      waiter.run(0, 64);
      return slot;
    },
    place() {
      made.port.barMoved?.(0, BAR0);
      made.port.barMoved?.(2, BAR2);
      made.port.memoryDecode?.(true);
    },
  };
  waiter.run(0, 64);
  xen.calls = [];
  return made;
}
