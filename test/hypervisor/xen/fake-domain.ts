/** A domain of the Xen host in memory: RAM with page types, ioreq servers, and vCPUs whose accesses go where Xen sends them. */

const PAGE = 4096;
const TYPE_RAM = 0;
const TYPE_SERVER = 4;
const STATE = { NONE: 0, READY: 1, IN_PROCESS: 2, RESPONSE: 3 } as const;
const MAX_SERVERS = 8;

/** A page of RAM, wherever it can be seen. */
export class Page {
  bytes = new Uint8Array(PAGE);
  mapped = false;
  type = TYPE_RAM;

  mapIn(view: Uint8Array): void {
    view.set(this.bytes);
    this.bytes = view as Uint8Array<ArrayBuffer>;
    this.mapped = true;
  }

  mapOut(): void {
    this.bytes = this.bytes.slice();
    this.mapped = false;
  }
}

export interface Access {
  readonly address: number;
  readonly size?: number;
  readonly write?: boolean;
  readonly lo?: number;
  readonly hi?: number;
  readonly count?: number;
  /** Guest address that the items come from or go to. */
  readonly pointer?: number;
  readonly down?: boolean;
  readonly type?: number;
}

/** A vCPU's place in the page of requests. */
export class Slot {
  state: number = STATE.NONE;
  address = 0;
  lo = 0;
  hi = 0;
  count = 1;
  size = 4;
  type = 1;
  write = false;
  pointer = false;
  down = false;
  /** Answers to the request that is there now. */
  answers = 0;

  ask(access: Access): void {
    if (this.state === STATE.READY || this.state === STATE.IN_PROCESS) throw new Error('this vCPU waits already');
    const { address, size = 4, write = false, lo = 0, hi = 0, count = 1, pointer, down = false, type = 1 } = access;
    Object.assign(this, { address, size, write, lo, hi, count, down, type, pointer: pointer !== undefined });
    if (pointer !== undefined) {
      this.lo = pointer % 2 ** 32;
      this.hi = Math.floor(pointer / 2 ** 32);
    }
    this.answers = 0;
    this.state = STATE.READY;
  }

  put(into: Uint32Array): void {
    const flags = (this.pointer ? 0x10 : 0) | (this.write ? 0 : 0x20) | (this.down ? 0x40 : 0);
    const high = Math.floor(this.address / 2 ** 32);
    into.set([this.address % 2 ** 32, high, this.lo, this.hi, this.count, this.size, flags, this.type]);
  }

  respond(lo: number, hi: number): void {
    this.lo = lo >>> 0;
    this.hi = hi >>> 0;
    this.answers++;
    this.state = STATE.RESPONSE;
  }

  get done(): boolean {
    return this.state === STATE.RESPONSE && this.answers === 1;
  }
}

export class FakeServer {
  readonly id: number;
  readonly slots: readonly Slot[];
  mapped = false;
  enabled = false;
  pci = -1;
  ranges: { start: number; bytes: number }[] = [];

  constructor(id: number, vcpus: number) {
    this.id = id;
    this.slots = Array.from({ length: vcpus }, () => new Slot());
  }

  /** @returns false for a range that overlaps one that is there, or that is not there */
  setRange(add: boolean, start: number, bytes: number): boolean {
    if (add) {
      if (this.ranges.some((r) => start < r.start + r.bytes && r.start < start + bytes)) return false;
      this.ranges.push({ start, bytes });
      return true;
    }
    const at = this.ranges.findIndex((r) => r.start === start && r.bytes === bytes);
    if (at >= 0) this.ranges.splice(at, 1);
    return at >= 0;
  }

  takes(address: number): boolean {
    return this.ranges.some((r) => address >= r.start && address < r.start + r.bytes);
  }
}

export class FakeDomain {
  readonly domid: number;
  readonly vcpus: number;
  readonly pages = new Map<number, Page>();
  readonly servers = new Map<number, FakeServer>();
  /** Frames of the host's devices that the guest has. */
  readonly host = new Map<number, number>();
  readonly msis: [number, number][] = [];
  intx = false;
  gone = false;
  readonly #notify: (server: FakeServer, vcpu: number) => void;
  #typeOwner: FakeServer | null = null;

  constructor(domid: number, vcpus: number, notify: (server: FakeServer, vcpu: number) => void) {
    this.domid = domid;
    this.vcpus = vcpus;
    this.#notify = notify;
  }

  /** RAM from `first` on. */
  populate(first: number, count: number): void {
    for (let gfn = first; gfn < first + count; gfn++) this.pages.set(gfn, new Page());
  }

  /** The guest gives pages back. Xen tells every server. */
  balloon(first: number, count: number): void {
    for (let gfn = first; gfn < first + count; gfn++) this.pages.delete(gfn);
    this.request(0, { address: 0, type: 8, write: true, lo: 0xffffffff, hi: 0xffffffff });
  }

  /** Puts a request of vCPU `vcpu` before the servers that take it. @returns false when none does */
  request(vcpu: number, access: Access): boolean {
    for (const server of this.servers.values()) {
      if (!server.enabled || !this.#goesTo(server, access)) continue;
      server.slots[vcpu]!.ask(access);
      this.#notify(server, vcpu);
      return true;
    }
    return false;
  }

  #goesTo(server: FakeServer, { address, type = 1, write = false }: Access): boolean {
    if (type === 2) return server.pci === Math.floor(address / 2 ** 32);
    if (type !== 1) return true;
    if (server.takes(address)) return true;
    return write && this.#typeOwner === server && this.pages.get(Math.floor(address / PAGE))?.type === TYPE_SERVER;
  }

  /** The server that answers for this domain in tests with one. */
  get server(): FakeServer {
    const [server] = this.servers.values();
    if (!server) throw new Error('the domain has no ioreq server');
    return server;
  }

  createServer(): FakeServer | null {
    for (let id = 1; id <= MAX_SERVERS; id++) {
      if (this.servers.has(id)) continue;
      const server = new FakeServer(id, this.vcpus);
      this.servers.set(id, server);
      return server;
    }
    return null;
  }

  drop(server: FakeServer): void {
    if (this.#typeOwner === server) this.takeType(server, 0);
    this.servers.delete(server.id);
  }

  /** Writes to frames of the type go to this server from now on, or (no flags) to none, and all are plain RAM. */
  takeType(server: FakeServer, flags: number): boolean {
    if (this.#typeOwner !== null && this.#typeOwner !== server) return false;
    this.#typeOwner = flags === 0 ? null : server;
    if (flags === 0) for (const page of this.pages.values()) page.type = TYPE_RAM;
    return true;
  }

  /** As Xen has it: a frame becomes the server's from plain RAM only, and plain RAM from either. */
  setType(type: number, gfn: number): boolean {
    const page = this.pages.get(gfn);
    if (!page || (type === TYPE_SERVER && (page.type !== TYPE_RAM || this.#typeOwner === null))) return false;
    page.type = type;
    return true;
  }

  get protectedFrames(): number[] {
    return [...this.pages].filter(([, page]) => page.type === TYPE_SERVER).map(([gfn]) => gfn);
  }

  /** Bytes of RAM as the guest reads them. */
  peek(address: number): number {
    return this.pages.get(Math.floor(address / PAGE))!.bytes[address % PAGE]!;
  }

  peek32(address: number): number {
    let value = 0;
    for (let i = 0; i < 4; i++) value |= this.peek(address + i) << (8 * i);
    return value >>> 0;
  }

  /** A write of the guest that is not trapped. */
  poke32(address: number, value: number): void {
    for (let i = 0; i < 4; i++) {
      this.pages.get(Math.floor((address + i) / PAGE))!.bytes[(address + i) % PAGE] = value >>> (8 * i);
    }
  }

  destroy(): void {
    this.gone = true;
    this.servers.clear();
    this.pages.clear();
    this.host.clear();
  }

  leftovers(): string[] {
    const left: string[] = [];
    if (this.servers.size > 0) left.push(`${this.servers.size} ioreq servers`);
    if (this.host.size > 0) left.push(`${this.host.size} frames of the host`);
    if (this.protectedFrames.length > 0) left.push(`${this.protectedFrames.length} protected frames`);
    if (this.intx) left.push('an asserted interrupt');
    return left;
  }
}
