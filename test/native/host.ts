/** The host behind the libraries without Xen, seen through the file that they work on; the layout is fake_xen.h's. */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import type { Native } from '../../src/hypervisor/native.js';

const PAGE = 4096;
const FRAMES = 1024;
const CONTROL_AT = PAGE;
const PRESENT_AT = 2 * PAGE;
const RAM_AT = 3 * PAGE;
const BYTES = RAM_AT + FRAMES * PAGE;

/** Dwords of struct Control, in its order. */
const NAMES = [
  ...['fail', 'failErrno', 'failSkip', 'vcpus'],
  ...['models', 'memories', 'events', 'calls', 'buffers', 'servers', 'resources', 'ports', 'enabled'],
  ...['pendingCount', 'notified', 'unmasked'],
  ...['msiAddress', 'msiData', 'intxDevice', 'intxLevel', 'memType', 'memFirst', 'memCount', 'memFlags', 'pci'],
  ...['rangeAdd', 'rangeStart', 'rangeLast', 'domctlVersion', 'domctlMost', 'domctlTries', 'permitted', 'mappings'],
] as const;
export type Dword = (typeof NAMES)[number];
const MAPPINGS_AT = NAMES.length;
const MOST_MAPPINGS = 64;
const PENDING_AT = MAPPINGS_AT + 4 * MOST_MAPPINGS;
const LEFT: readonly Dword[] = ['models', 'memories', 'events', 'calls', 'buffers', 'servers', 'resources', 'ports'];

const READY = 1;
const RESPONSE = 3;

export class Host {
  readonly #native: Native;
  readonly #buffer: ArrayBuffer;
  readonly #requests: DataView;
  readonly #control: Uint32Array;
  readonly #present: Uint8Array;
  readonly #ram: Uint8Array;

  /** Makes the file that XENGT_FAKE_XEN names. */
  constructor(native: Native, file: string) {
    this.#native = native;
    const fd = openSync(file, 'w+');
    ftruncateSync(fd, BYTES);
    const buffer = native.map(fd, 0, BYTES);
    closeSync(fd);
    if (typeof buffer === 'number') throw new Error(`cannot map ${file}: ${buffer}`);
    this.#buffer = buffer;
    this.#requests = new DataView(buffer, 0, PAGE);
    this.#control = new Uint32Array(buffer, CONTROL_AT, PAGE / 4);
    this.#present = new Uint8Array(buffer, PRESENT_AT, FRAMES);
    this.#ram = new Uint8Array(buffer, RAM_AT, FRAMES * PAGE);
  }

  /** A host that has done nothing yet; every seventh frame of its domain is missing. */
  renew(vcpus: number): void {
    new Uint8Array(this.#buffer, 0, RAM_AT).fill(0);
    for (let gfn = 0; gfn < FRAMES; gfn++) this.#present[gfn] = gfn % 7 === 6 ? 0 : 1;
    this.set('vcpus', vcpus);
    this.set('domctlVersion', 0x16);
    this.set('domctlMost', 16);
  }

  get(name: Dword): number {
    return this.#control[NAMES.indexOf(name)]!;
  }

  set(name: Dword, value: number): void {
    this.#control[NAMES.indexOf(name)] = value;
  }

  get leftovers(): string[] {
    return LEFT.filter((name) => this.get(name) !== 0);
  }

  /** [gfn, mfn, count, added] of each mapping of host frames that was carried out. */
  get mappings(): number[][] {
    const rows = Array.from({ length: this.get('mappings') }, (_, i) => MAPPINGS_AT + 4 * i);
    return rows.map((at) => [...this.#control.subarray(at, at + 4)]);
  }

  ram(gfn: number): Uint8Array {
    return this.#ram.subarray(gfn * PAGE, (gfn + 1) * PAGE);
  }

  /** vCPU `vcpu` reads (or writes `data`), and the event comes to `fd`. */
  ask(fd: number, vcpu: number, address: number, size: number, data: number | null = null, type = 1): void {
    const at = 32 * vcpu;
    const view = this.#requests;
    view.setBigUint64(at, BigInt(address), true);
    view.setBigUint64(at + 8, BigInt(data ?? 0), true);
    view.setUint32(at + 16, 1, true);
    view.setUint32(at + 20, size, true);
    view.setUint8(at + 31, type);
    view.setUint8(at + 30, READY | (data === null ? 0x20 : 0));
    const count = this.get('pendingCount');
    this.#control[PENDING_AT + count] = 1000 + vcpu;
    this.set('pendingCount', count + 1);
    this.#native.signal(fd);
  }

  /** What the vCPU was answered, or null while it waits. */
  answer(vcpu: number): bigint | null {
    const at = 32 * vcpu;
    return (this.#requests.getUint8(at + 30) & 15) === RESPONSE ? this.#requests.getBigUint64(at + 8, true) : null;
  }
}
