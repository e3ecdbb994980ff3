/** A scripted guest under a VMM that speaks vfio-user: every access is a message over a socket, RAM is a file that both map. */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Frames, PAGE_DWORDS } from '../../src/base/index.js';
import { type Native, type Space, VfioUserServer, Waiter } from '../../src/hypervisor/index.js';
import { COMMAND, FLAG } from '../../src/hypervisor/vfio-user/protocol.js';
import type { MediatorCore } from '../../src/mediator/core.js';
import type { Vgpu } from '../../src/vgpu/index.js';
import {
  fields,
  mapBody,
  type Reply,
  readBody,
  TestClient,
  versionBody,
  writeBody,
} from '../hypervisor/vfio-user/rig.js';
import type { GuestBus } from '../support/guest-bus.js';
import { GUEST_RAM_FRAMES } from '../support/scripted-guest.js';

const RAM_BYTES = GUEST_RAM_FRAMES * 4096;
/** DATA_EVENTFD | ACTION_TRIGGER, DATA_NONE | ACTION_UNMASK (linux/vfio.h). */
const EVENTFD_TRIGGER = 0x24;
const NONE_UNMASK = 0x11;
const INTX = 0;
const MSI = 1;

export class VfioBus implements GuestBus {
  readHi = 0;
  readonly ram: Frames;
  readonly #native: Native;
  readonly #waiter: Waiter;
  readonly #server: VfioUserServer;
  readonly #folder = mkdtempSync(join(tmpdir(), 'xengt-bus-'));
  readonly #file: number;
  readonly #events: readonly number[];
  readonly #seen = [0, 0];
  #client: TestClient | null = null;

  constructor(native: Native, core: MediatorCore, vgpu: Vgpu) {
    this.#native = native;
    this.#waiter = new Waiter(native);
    this.#file = openSync(join(this.#folder, 'ram'), 'w+');
    ftruncateSync(this.#file, RAM_BYTES);
    const buffer = native.map(this.#file, 0, RAM_BYTES);
    if (typeof buffer === 'number') throw new Error(`map: ${buffer}`);
    this.ram = {
      words: new Uint32Array(buffer),
      locate: (gfn) => (gfn >= 0 && gfn < GUEST_RAM_FRAMES ? gfn * PAGE_DWORDS : -1),
    };
    this.#events = [native.eventfd(), native.eventfd()];
    this.#server = new VfioUserServer({
      path: join(this.#folder, 'gpu.sock'),
      apertureBytes: core.gpu.apertureBytes,
      frameBase: core.gpu.frameBase(vgpu.id),
      native,
      waiter: this.#waiter,
      makeGuest: (port) => {
        vgpu.attach(port);
        return vgpu;
      },
      onDetach: () => vgpu.detach(),
      onFault: (error) => vgpu.fault(error),
    });
  }

  get failed(): string | null {
    return this.#server.failed;
  }

  attach(): void {
    const fd = this.#native.connect(join(this.#folder, 'gpu.sock'));
    if (fd < 0) throw new Error(`connect: ${fd}`);
    this.#client = new TestClient(this.#native, fd);
    this.#must(COMMAND.VERSION, versionBody());
    this.#must(COMMAND.DMA_MAP, mapBody(0, RAM_BYTES), [this.#file]);
    for (const index of [INTX, MSI]) {
      this.#must(COMMAND.SET_IRQS, fields(20, EVENTFD_TRIGGER, index, 0, 1), [this.#events[index]!]);
    }
  }

  #settle(): void {
    while (this.#waiter.run(0, 64) > 0);
  }

  /** One message and its one answer. */
  #ask(command: number, body: Uint8Array, fds?: readonly number[]): Reply {
    const client = this.#client;
    if (client === null) throw new Error('the VM is not attached');
    const id = client.send(command, body, fds ? { fds } : {});
    this.#settle();
    const replies = client.replies();
    const [reply] = replies;
    if (replies.length !== 1 || reply?.id !== id || (reply.flags & FLAG.REPLY) === 0) {
      throw new Error(`message ${command} was not answered once but ${replies.length} times`);
    }
    return reply;
  }

  /** The same for what no VMM goes on without. */
  #must(command: number, body: Uint8Array, fds?: readonly number[]): void {
    const { errno } = this.#ask(command, body, fds);
    if (errno !== 0) throw new Error(`message ${command}: errno ${errno}`);
  }

  read(space: Space, offset: number, bytes: number): number {
    const { body, errno } = this.#ask(COMMAND.REGION_READ, readBody(space, offset, bytes));
    // What a bus answers for nobody.
    if (errno !== 0) return 2 ** (8 * Math.min(bytes, 4)) - 1;
    // The answer repeats offset, region and count before the data.
    const at = 16;
    this.readHi = bytes === 8 ? body.getUint32(at + 4, true) : 0;
    if (bytes === 1) return body.getUint8(at);
    return bytes === 2 ? body.getUint16(at, true) : body.getUint32(at, true);
  }

  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    const data = fields(lo, hi).subarray(0, bytes);
    this.#ask(COMMAND.REGION_WRITE, writeBody(space, offset, [...data]));
  }

  /** Interrupts so far; whoever takes one by the line unmasks it. */
  #count(index: 0 | 1): number {
    const came = this.#native.drain(this.#events[index]!);
    this.#seen[index]! += came;
    if (index === INTX && came > 0) this.#must(COMMAND.SET_IRQS, fields(20, NONE_UNMASK, INTX, 0, 1));
    return this.#seen[index]!;
  }

  get messages(): number {
    return this.#count(MSI);
  }

  set messages(count: number) {
    this.#count(MSI);
    this.#seen[MSI] = count;
  }

  get lines(): number {
    return this.#count(INTX);
  }

  detach(): void {
    this.#client?.close();
    this.#client = null;
    this.#settle();
  }

  close(): void {
    this.detach();
    this.#server.close();
    this.#waiter.close();
    for (const event of this.#events) this.#native.close(event);
    closeSync(this.#file);
    rmSync(this.#folder, { recursive: true });
  }
}
