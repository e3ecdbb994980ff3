/** How a scripted guest reaches its device: what differs between adapters. This one has none: the guest calls the vGPU. */
import type { Frames } from '../../src/base/index.js';
import type { GuestPort, Space } from '../../src/hypervisor/index.js';
import type { SparseMemory } from '../../src/hypervisor/sim/index.js';
import type { MediatorCore } from '../../src/mediator/core.js';
import type { Vgpu } from '../../src/vgpu/index.js';
import { guestRam } from './scripted-guest.js';

export interface GuestBus {
  /** The guest's RAM as its CPU sees it. */
  readonly ram: Frames;
  /** Writes a dword of RAM as the guest's CPU does, where a write may be trapped. */
  readonly store?: (address: number, value: number) => void;
  /** Interrupts that came, by message and by line. */
  messages: number;
  readonly lines: number;
  /** What the VMM was told about a broken rule. */
  readonly failed: string | null;
  /** @returns low 32 bits; the high half of an 8-byte read is then in `readHi` */
  read(space: Space, offset: number, bytes: number): number;
  readonly readHi: number;
  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void;
  /** The VM gets its device, and firmware has looked at it; again after detach(). */
  attach(): void;
  /** The VM is gone. */
  detach(): void;
  /** The VM is gone, and so is whatever it was attached by. */
  close(): void;
}

export type Connect = (core: MediatorCore, vgpu: Vgpu) => GuestBus;

export class SimBus implements GuestBus, GuestPort {
  readonly canTrackWrites = false;
  readonly memory: SparseMemory;
  readHi = 0;
  messages = 0;
  lines = 0;
  failed: string | null = null;

  constructor(
    core: MediatorCore,
    private readonly vgpu: Vgpu,
  ) {
    this.memory = guestRam(core.gpu.frameBase(vgpu.id));
  }

  get ram(): Frames {
    return this.memory;
  }

  read(space: Space, offset: number, bytes: number): number {
    const value = this.vgpu.read(space, offset, bytes);
    this.readHi = this.vgpu.readHi;
    return value;
  }

  write(space: Space, offset: number, bytes: number, lo: number, hi: number): void {
    this.vgpu.write(space, offset, bytes, lo, hi);
  }

  attach(): void {
    this.vgpu.attach(this);
  }

  detach(): void {
    this.vgpu.detach();
  }

  close(): void {
    this.detach();
  }

  injectMsi(): void {
    this.messages++;
  }

  setIntx(asserted: boolean): void {
    if (asserted) this.lines++;
  }

  fail(reason: string): void {
    this.failed = reason;
  }

  trackWrites(): boolean {
    return false;
  }
}
