/** A scripted guest as a domain of Xen: every access is a request of its vCPU, its page tables are protected from writing. */
import { type Frames, PAGE_SIZE } from '../../src/base/index.js';
import { SPACE, type Space, Waiter, XenServer } from '../../src/hypervisor/index.js';
import type { MediatorCore } from '../../src/mediator/core.js';
import type { Vgpu } from '../../src/vgpu/index.js';
import type { FakeDomain } from '../hypervisor/xen/fake-domain.js';
import { FakeXen } from '../hypervisor/xen/fake-xen.js';
import type { GuestBus } from '../support/guest-bus.js';
import { GUEST_RAM_FRAMES } from '../support/scripted-guest.js';

/** Where firmware puts the BARs. */
const BAR0 = 0xf0000000;
const BAR2 = 0xc0000000;
/** 00:02.0 in the high half of a configuration request's address. */
const CONFIG = 0x10 * 2 ** 32;
const COMMAND = 4;
const CONFIG_BAR0 = 0x10;
const CONFIG_BAR2 = 0x18;
const TYPE_COPY = 1;
const TYPE_CONFIG = 2;
const DOMID = 5;
const TYPE_SERVER = 4;

export class XenBus implements GuestBus {
  readHi = 0;
  readonly ram: Frames;
  readonly #xen = new FakeXen();
  readonly #waiter: Waiter;
  readonly #domain: FakeDomain;
  readonly #core: MediatorCore;
  readonly #vgpu: Vgpu;
  #server: XenServer | null = null;
  #told = 0;

  constructor(core: MediatorCore, vgpu: Vgpu) {
    this.#core = core;
    this.#vgpu = vgpu;
    this.#waiter = new Waiter(this.#xen);
    this.#domain = this.#xen.domain(DOMID);
    this.#domain.populate(0, GUEST_RAM_FRAMES);
    const domain = this.#domain;
    this.ram = {
      words: new Uint32Array(0),
      locate(gfn) {
        const page = domain.pages.get(gfn);
        if (page === undefined) return -1;
        this.words = new Uint32Array(page.bytes.buffer, page.bytes.byteOffset, PAGE_SIZE / 4);
        return 0;
      },
    };
  }

  get failed(): string | null {
    return this.#server?.failed ?? null;
  }

  /** Writes to page tables that were trapped. */
  get trappedWrites(): number {
    return this.#server?.counts().trackedWrites ?? 0;
  }

  get protectedFrames(): readonly number[] {
    return this.#domain.protectedFrames;
  }

  attach(): void {
    const server = new XenServer({
      native: this.#xen,
      waiter: this.#waiter,
      domid: DOMID,
      apertureBytes: this.#core.gpu.apertureBytes,
      frameBase: this.#core.gpu.frameBase(this.#vgpu.id),
      makeGuest: (port) => {
        this.#vgpu.attach(port);
        return this.#vgpu;
      },
      onDetach: () => this.#vgpu.detach(),
      onFault: (error) => this.#vgpu.fault(error),
      log: () => {},
    });
    this.#server = server;
    // All of RAM is mapped from the start, so that what a test holds of a page stays that page.
    for (let gfn = 0; gfn < GUEST_RAM_FRAMES; gfn++) server.guest.memory.locate(gfn);
    this.write(SPACE.CONFIG, CONFIG_BAR0, 4, BAR0, 0);
    this.write(SPACE.CONFIG, CONFIG_BAR2, 4, BAR2, 0);
    this.write(SPACE.CONFIG, COMMAND, 2, 2, 0);
  }

  /** An access of the only vCPU. @returns false when it goes to nobody */
  #ask(space: Space, offset: number, size: number, write: boolean, lo: number, hi: number): boolean {
    const base = space === SPACE.CONFIG ? CONFIG : space === SPACE.BAR0 ? BAR0 : BAR2;
    const type = space === SPACE.CONFIG ? TYPE_CONFIG : TYPE_COPY;
    return this.#request({ address: base + offset, size, write, lo, hi, type });
  }

  #request(access: Parameters<FakeDomain['request']>[1]): boolean {
    if (!this.#domain.request(0, access)) return false;
    while (this.#waiter.run(0, 64) > 0);
    const slot = this.#domain.server.slots[0]!;
    if (!slot.done) throw new Error('a request was not answered once');
    return true;
  }

  read(space: Space, offset: number, bytes: number): number {
    this.readHi = 0;
    const ones = 2 ** (8 * Math.min(bytes, 4)) - 1;
    if (!this.#ask(space, offset, bytes, false, 0, 0)) return ones;
    const { lo, hi } = this.#domain.server.slots[0]!;
    if (bytes === 8) this.readHi = hi;
    return (lo & ones) >>> 0;
  }

  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    this.#ask(space, offset, bytes, true, lo, hi);
  }

  readonly store = (address: number, value: number): void => {
    const page = this.#domain.pages.get(Math.floor(address / PAGE_SIZE));
    if (page?.type === TYPE_SERVER) this.#request({ address, size: 4, write: true, lo: value });
    else this.#domain.poke32(address, value);
  };

  /** Whether it is asserted: the line is a level. */
  get lines(): number {
    return this.#domain.intx ? 1 : 0;
  }

  get messages(): number {
    return this.#domain.msis.length - this.#told;
  }

  set messages(count: number) {
    this.#told = this.#domain.msis.length - count;
  }

  detach(): void {
    this.#server?.close();
    this.#server = null;
  }

  close(): void {
    this.detach();
    this.#waiter.close();
    const left = this.#xen.leftovers();
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }
}
