/**
 * A Xen host in memory, as the addon shows it: domains with vCPUs, RAM and ioreq servers, whose accesses are routed as Xen
 * routes them. Any call can be made to fail. What is left behind is listed by `leftovers()`.
 */
import { constants } from 'node:os';
import type { Native } from '../../../src/hypervisor/native.js';
import { FakeDomain, type FakeServer, type Page } from './fake-domain.js';

const { errno } = constants;
const PAGE = 4096;
const STATE = { NONE: 0, READY: 1, IN_PROCESS: 2, RESPONSE: 3 } as const;

interface Seat {
  readonly domain: FakeDomain;
  server: FakeServer | null;
  readonly fd: number;
  /** vCPU of each local port. */
  readonly ports: Map<number, number>;
  pending: number[];
  readonly waiting: Set<number>;
  readonly open: Set<number>;
  plain: { base: number; bank: Uint32Array; plain: Uint8Array } | null;
  ep: number;
  id: number;
  requests: number;
  plainReads: number;
  stray: number;
}

interface Arena {
  readonly buffer: ArrayBuffer;
  /** What is mapped at each page of it. */
  readonly at: Map<number, Page>;
  faults: number;
}

/** Calls that only ask, or that every test makes all the time. */
const QUIET = new Set(['epollWait', 'xenNext', 'xenPump', 'xenAnswer', 'xenCounts', 'faultsOf']);

export class FakeXen implements Native {
  readonly domains = new Map<number, FakeDomain>();
  /** Calls in order, as `name(arguments)`. */
  calls: string[] = [];
  /** What xenLoad answers, and the folder that it was asked for. */
  missing = '';
  folder: string | null = null;
  /** Local event channels that dom0 can have. */
  channels = 1024;
  readonly #fail = new Map<string, { skip: number; times: number; result: number }>();
  readonly #seats: (Seat | null)[] = [];
  readonly #arenas = new Map<ArrayBuffer, Arena>();
  readonly #epolls = new Map<number, Map<number, { interest: number; id: number }>>();
  #nextFd = 100;
  #nextPort = 1;
  #used = 0;

  /** The call of this name fails, after `skip` that do not. */
  fail(name: keyof Native, error: keyof typeof errno, { skip = 0, times = Number.POSITIVE_INFINITY } = {}): void {
    this.#fail.set(name, { skip, times, result: -errno[error] });
  }

  heal(): void {
    this.#fail.clear();
  }

  domain(domid: number, vcpus = 1): FakeDomain {
    const domain = new FakeDomain(domid, vcpus, (server, vcpu) => this.#notify(domain, server, vcpu));
    this.domains.set(domid, domain);
    return domain;
  }

  /** Xen takes the domain away. */
  destroy(domid: number): void {
    this.domains.get(domid)!.destroy();
    this.domains.delete(domid);
  }

  /** An event on a channel that no request came with. */
  strayEvent(guest = 0, port?: number): void {
    const seat = this.#seats[guest]!;
    seat.pending.push(port ?? [...seat.ports.keys()][0]!);
  }

  fault(): void {
    for (const arena of this.#arenas.values()) arena.faults++;
  }

  leftovers(): string[] {
    const left: string[] = [];
    this.#seats.forEach((seat, at) => {
      if (seat) left.push(`guest ${at}`);
    });
    if (this.#used > 0) left.push(`${this.#used} event channels`);
    for (const arena of this.#arenas.values()) left.push(`an arena with ${arena.at.size} pages`);
    for (const fds of this.#epolls.values()) if (fds.size > 0) left.push(`${fds.size} descriptors waited on`);
    for (const domain of this.domains.values()) left.push(...domain.leftovers());
    return left;
  }

  /** Frames of guests that are mapped here. */
  get mapped(): number {
    let count = 0;
    for (const { at } of this.#arenas.values()) count += at.size;
    return count;
  }

  #notify(domain: FakeDomain, server: FakeServer, vcpu: number): void {
    for (const seat of this.#seats) {
      if (seat?.domain !== domain || seat.server !== server) continue;
      for (const [port, other] of seat.ports) if (other === vcpu) seat.pending.push(port);
    }
  }

  /** @returns 0, or what the call is to fail with */
  #call(name: keyof Native, ...values: unknown[]): number {
    if (!QUIET.has(name)) this.calls.push(`${name}(${values.join(',')})`);
    const failing = this.#fail.get(name);
    if (failing === undefined || failing.times <= 0) return 0;
    if (failing.skip > 0) {
      failing.skip--;
      return 0;
    }
    failing.times--;
    return failing.result;
  }

  /** Runs an operation on a domain that is still there. */
  #on(guest: number, name: keyof Native, values: unknown[], run: (seat: Seat, server: FakeServer) => number): number {
    const failed = this.#call(name, guest, ...values);
    const seat = this.#seats[guest];
    if (!seat) return -errno.EBADF;
    if (failed < 0) return failed;
    if (seat.domain.gone) return -errno.ESRCH;
    if (seat.server === null) return -errno.ENOENT;
    return run(seat, seat.server);
  }

  xenLoad(folder: string): string {
    this.calls.push('xenLoad()');
    this.folder = folder;
    return this.missing;
  }

  xenOpen(domid: number): number {
    const failed = this.#call('xenOpen', domid);
    if (failed < 0) return failed;
    const domain = this.domains.get(domid) ?? new FakeDomain(domid, 0, () => {});
    if (!this.domains.has(domid)) domain.gone = true;
    let at = this.#seats.indexOf(null);
    if (at < 0) at = this.#seats.length;
    this.#seats[at] = {
      domain,
      server: null,
      fd: this.#nextFd++,
      ports: new Map(),
      pending: [],
      waiting: new Set(),
      open: new Set(),
      plain: null,
      ep: -1,
      id: -1,
      requests: 0,
      plainReads: 0,
      stray: 0,
    };
    return at;
  }

  xenClose(guest: number): number {
    const failed = this.#call('xenClose', guest);
    const seat = this.#seats[guest];
    if (!seat) return -errno.EBADF;
    const { server, domain } = seat;
    if (server !== null) {
      server.enabled = false;
      for (const vcpu of seat.ports.values()) {
        const slot = server.slots[vcpu]!;
        if (slot.state !== STATE.READY && slot.state !== STATE.IN_PROCESS) continue;
        slot.respond(slot.pointer ? slot.lo : 0xffffffff, slot.pointer ? slot.hi : 0xffffffff);
      }
      domain.drop(server);
    }
    this.#used -= seat.ports.size;
    this.#seats[guest] = null;
    if (failed < 0) return failed;
    return domain.gone ? -errno.ESRCH : 0;
  }

  xenRestricted(): number {
    return 1;
  }

  xenCreateServer(guest: number): number {
    const failed = this.#call('xenCreateServer', guest);
    if (failed < 0) return failed;
    const seat = this.#seats[guest]!;
    if (seat.domain.gone) return -errno.ESRCH;
    seat.server = seat.domain.createServer();
    return seat.server?.id ?? -errno.ENOSPC;
  }

  xenDestroyServer(domid: number, id: number): number {
    const failed = this.#call('xenDestroyServer', domid, id);
    if (failed < 0) return failed;
    const domain = this.domains.get(domid);
    if (!domain) return -errno.ESRCH;
    const server = domain.servers.get(id);
    if (!server) return -errno.ENOENT;
    domain.drop(server);
    return 0;
  }

  xenMapRequests(guest: number): number {
    return this.#on(guest, 'xenMapRequests', [], (_seat, server) => {
      server.mapped = true;
      return 0;
    });
  }

  xenClaimPci(guest: number, device: number, fn: number): number {
    return this.#on(guest, 'xenClaimPci', [device, fn], (_seat, server) => {
      server.pci = (device << 3) | fn;
      return 0;
    });
  }

  xenSetRange(guest: number, add: boolean, memory: boolean, start: number, bytes: number): number {
    return this.#on(guest, 'xenSetRange', [add, memory, start.toString(16), bytes], (_seat, server) =>
      server.setRange(add, start, bytes) ? 0 : -errno[add ? 'EEXIST' : 'ENOENT'],
    );
  }

  xenEnable(guest: number): number {
    return this.#on(guest, 'xenEnable', [], (_seat, server) => {
      server.enabled = true;
      return 0;
    });
  }

  xenVcpus(guest: number): number {
    return this.#on(guest, 'xenVcpus', [], ({ domain }) => (domain.vcpus > 128 ? -errno.EOVERFLOW : domain.vcpus));
  }

  xenBind(guest: number, vcpu: number): number {
    return this.#on(guest, 'xenBind', [vcpu], (seat, server) => {
      if (!server.enabled || !server.mapped) return -errno.EINVAL;
      if (this.#used >= this.channels) return -errno.ENOSPC;
      this.#used++;
      const port = this.#nextPort++;
      seat.ports.set(port, vcpu);
      // Xen does this for notifications that the other end may have missed.
      seat.pending.push(port);
      return port;
    });
  }

  xenFd(guest: number): number {
    const failed = this.#call('xenFd', guest);
    return failed < 0 ? failed : (this.#seats[guest]?.fd ?? -errno.EBADF);
  }

  xenServe(guest: number, ep: number, id: number): number {
    const failed = this.#call('xenServe', guest, ep, id);
    const seat = this.#seats[guest];
    if (!seat || failed < 0) return seat ? failed : -errno.EBADF;
    seat.ep = ep;
    seat.id = id;
    return 0;
  }

  xenPlain(guest: number, base: number, bank: Uint32Array | null, plain: Uint8Array | null): number {
    const failed = this.#call('xenPlain', guest, base.toString(16));
    const seat = this.#seats[guest];
    if (!seat || failed < 0) return seat ? failed : -errno.EBADF;
    seat.plain = null;
    if (base < 0 || bank === null || plain === null) return 0;
    if (bank.length !== plain.length) return -errno.EINVAL;
    seat.plain = { base, bank, plain };
    return 0;
  }

  xenPump(guest: number): number {
    const seat = this.#seats[guest];
    if (!seat) return -errno.EBADF;
    const failed = this.#call('xenPump', guest);
    for (const port of failed < 0 ? [] : seat.pending.splice(0)) {
      const vcpu = seat.ports.get(port);
      const slot = vcpu === undefined ? undefined : seat.server?.slots[vcpu];
      if (vcpu === undefined || slot === undefined || slot.state !== STATE.READY) {
        seat.stray++;
        continue;
      }
      slot.state = STATE.IN_PROCESS;
      seat.requests++;
      const value = this.#plainAt(seat, slot);
      if (value === null) {
        seat.waiting.add(vcpu);
      } else {
        seat.plainReads++;
        slot.respond(value, 0);
      }
    }
    return seat.waiting.size > 0 ? 1 : failed;
  }

  /** Of dwords only: that the addon does pairs too is tested where the addon is. */
  #plainAt({ plain }: Seat, slot: FakeServer['slots'][number]): number | null {
    if (plain === null || slot.type !== 1 || slot.write || slot.pointer || slot.count !== 1 || slot.size !== 4)
      return null;
    const at = (slot.address - plain.base) / 4;
    return plain.plain[at] === 1 ? plain.bank[at]! : null;
  }

  xenNext(guest: number, into: Uint32Array): number {
    const seat = this.#seats[guest];
    if (!seat?.server || seat.waiting.size === 0) return -1;
    const vcpu = Math.min(...seat.waiting);
    seat.waiting.delete(vcpu);
    seat.open.add(vcpu);
    seat.server.slots[vcpu]!.put(into);
    return vcpu;
  }

  xenAnswer(guest: number, vcpu: number, lo: number, hi: number): number {
    const failed = this.#call('xenAnswer');
    if (failed < 0) return failed;
    const seat = this.#seats[guest];
    if (!seat?.server || !seat.open.delete(vcpu)) return -errno.EINVAL;
    seat.server.slots[vcpu]!.respond(lo, hi);
    return 0;
  }

  xenCounts(guest: number, into: Float64Array): number {
    const seat = this.#seats[guest];
    if (!seat) return -errno.EBADF;
    into.set([seat.requests, seat.plainReads, seat.stray]);
    return 0;
  }

  xenMsi(guest: number, address: number, data: number): number {
    return this.#on(guest, 'xenMsi', [address, data], ({ domain }) => {
      domain.msis.push([address, data]);
      return 0;
    });
  }

  xenIntx(guest: number, device: number, asserted: boolean): number {
    return this.#on(guest, 'xenIntx', [device, asserted], ({ domain }) => {
      domain.intx = asserted;
      return 0;
    });
  }

  xenMapMemType(guest: number, type: number, flags: number): number {
    return this.#on(guest, 'xenMapMemType', [type, flags], ({ domain }, server) =>
      domain.takeType(server, flags) ? 0 : -errno.EBUSY,
    );
  }

  xenSetMemType(guest: number, type: number, first: number, count: number): number {
    return this.#on(guest, 'xenSetMemType', [type, first, count], ({ domain }) =>
      domain.setType(type, first) ? 0 : -errno.EINVAL,
    );
  }

  xenMapFrames(guest: number, buffer: ArrayBuffer, at: number, first: number, present: Uint8Array): number {
    const failed = this.#call('xenMapFrames', guest, at, first, present.length);
    const arena = this.#arenas.get(buffer)!;
    const seat = this.#seats[guest];
    if (!seat) return -errno.EBADF;
    if (failed < 0) return failed;
    if (seat.domain.gone) return -errno.ESRCH;
    let found = 0;
    for (let i = 0; i < present.length; i++) {
      const place = at / PAGE + i;
      this.#letGo(arena, place);
      const page = seat.domain.pages.get(first + i);
      present[i] = page ? 1 : 0;
      const view = new Uint8Array(buffer, place * PAGE, PAGE);
      if (page) {
        found++;
        if (page.mapped) throw new Error(`frame ${first + i} is mapped twice`);
        page.mapIn(view);
        arena.at.set(place, page);
      } else {
        // On a host an access here is a fault.
        view.fill(0xee);
      }
    }
    return found;
  }

  xenUnmapFrames(buffer: ArrayBuffer, at: number, frames: number): number {
    const failed = this.#call('xenUnmapFrames', at, frames);
    if (failed < 0) return failed;
    const arena = this.#arenas.get(buffer);
    if (!arena) return -errno.EINVAL;
    for (let i = 0; i < frames; i++) this.#letGo(arena, at / PAGE + i);
    return 0;
  }

  #letGo(arena: Arena, place: number): void {
    arena.at.get(place)?.mapOut();
    arena.at.delete(place);
    new Uint8Array(arena.buffer, place * PAGE, PAGE).fill(0);
  }

  xenMapHost(domid: number, add: boolean, gfn: number, mfn: number, frames: number): number {
    const failed = this.#call('xenMapHost', domid, add, gfn, mfn, frames);
    if (failed < 0) return failed;
    const domain = this.domains.get(domid);
    if (!domain) return -errno.ESRCH;
    for (let i = 0; i < frames; i++) {
      if (add) domain.host.set(gfn + i, mfn + i);
      else domain.host.delete(gfn + i);
    }
    return 0;
  }

  arena(length: number): ArrayBuffer | number {
    const failed = this.#call('arena', length);
    if (failed < 0) return failed;
    const buffer = new ArrayBuffer(length);
    this.#arenas.set(buffer, { buffer, at: new Map(), faults: 0 });
    return buffer;
  }

  unmap(buffer: ArrayBuffer): number {
    const arena = this.#arenas.get(buffer);
    if (!arena) return -errno.EINVAL;
    for (const place of [...arena.at.keys()]) this.#letGo(arena, place);
    new Uint8Array(buffer).fill(0);
    this.#arenas.delete(buffer);
    return 0;
  }

  faultsOf(buffer: ArrayBuffer): number {
    return this.#arenas.get(buffer)?.faults ?? -errno.EINVAL;
  }

  epollCreate(): number {
    this.#epolls.set(this.#nextFd, new Map());
    return this.#nextFd++;
  }

  epollSet(ep: number, fd: number, interest: number, id: number): number {
    const failed = this.#call('epollSet', id);
    if (failed < 0) return failed;
    this.#epolls.get(ep)!.set(fd, { interest, id });
    return 0;
  }

  epollRemove(ep: number, fd: number): number {
    return this.#epolls.get(ep)!.delete(fd) ? 0 : -errno.ENOENT;
  }

  epollWait(ep: number, _timeoutNs: number, ready: Int32Array): number {
    let count = 0;
    for (const [fd, { interest, id }] of this.#epolls.get(ep)!) {
      const at = this.#seats.findIndex((seat) => seat?.fd === fd);
      const seat = this.#seats[at];
      const failing = this.#fail.has('xenPump');
      if (!seat || interest === 0 || (seat.pending.length === 0 && seat.waiting.size === 0 && !failing)) continue;
      const hooked = seat.ep === ep && seat.id === id;
      if (!hooked || this.xenPump(at) !== 0) ready[count++] = id;
    }
    return count;
  }

  close(fd: number): number {
    this.#epolls.delete(fd);
    return 0;
  }

  // What Xen guests have no use for.

  listen(): number {
    return -errno.ENOSYS;
  }
  accept(): number {
    return -errno.ENOSYS;
  }
  connect(): number {
    return -errno.ENOSYS;
  }
  socketPair(): number {
    return -errno.ENOSYS;
  }
  recv(): number {
    return -errno.ENOSYS;
  }
  send(): number {
    return -errno.ENOSYS;
  }
  map(): number {
    return -errno.ENOSYS;
  }
  mappings(): number {
    return this.#arenas.size;
  }
  busFaults(): number {
    return 0;
  }
  statFile(): number {
    return -errno.ENOSYS;
  }
  eventfd(): number {
    return -errno.ENOSYS;
  }
  adoptEventfd(): number {
    return -errno.ENOSYS;
  }
  signal(): number {
    return -errno.ENOSYS;
  }
  drain(): number {
    return -errno.ENOSYS;
  }
}
