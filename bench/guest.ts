/**
 * A guest without a VM, attached to a vGPU of a whole mediator without threads: traps go in as an adapter would pass them
 * on, memory and page tables are built by hand.
 */

import { ENGINES, type EngineId, MASTER_ENABLE, MASTER_IRQ, platformByName, RING } from '../src/hw/index.js';
import { type GuestPort, SPACE } from '../src/hypervisor/index.js';
import type { SparseMemory } from '../src/hypervisor/sim/index.js';
import { MediatorCore } from '../src/mediator/index.js';
import type { Vgpu } from '../src/vgpu/index.js';
import { guestRam, ScriptedGuest } from '../test/support/scripted-guest.js';

const MIB = 2 ** 20;
export const GGTT_OFFSET = 0x800000;
export const PLATFORM = platformByName('SKL')!;
/** First frame of the scripted guest that neither its page tables nor its contexts use. */
export const DATA_GFN = 0x200;
/** Index, in the guest's high graphics pages, of the status page. */
const HWSP_INDEX = 0x2000;
const HWSP_GFN = 0xf0;
/** Dwords of the status page: the status buffer's write pointer. */
const CSB_WRITE = 0x1f;

/** Offsets of registers that are plain to read and to write, spread over the window. */
export function plainRegisters(policy: Vgpu['regs']['policy'], count: number): number[] {
  const found: number[] = [];
  for (let at = 0; at < policy.rowOf.length && found.length < count; at += 3) {
    const id = policy.rowOf[at]!;
    if (id !== 0 && policy.readHandler[id] === 0 && policy.writeAction[id] === 0) found.push(at * 4);
  }
  return found;
}

export class BenchGuest implements GuestPort {
  readonly core: MediatorCore;
  readonly vgpu: Vgpu;
  readonly scripted: ScriptedGuest<SparseMemory>;
  readonly canTrackWrites = false;
  interrupts = 0;

  constructor(core = new MediatorCore({ platform: PLATFORM, apertureBytes: 512 * MIB })) {
    this.core = core;
    const { vgpu } = core.create({ name: `bench${core.members.size}`, type: 'V5_4', monitor: true });
    this.vgpu = vgpu;
    this.scripted = new ScriptedGuest(
      guestRam(core.gpu.frameBase(vgpu.id)),
      (page, lo, hi) => this.vgpu.write(SPACE.BAR0, GGTT_OFFSET + 8 * page, 8, lo, hi),
      vgpu.grant.highStart / 4096,
    );
    vgpu.attach(this);
    // What a driver does first: find out that it is on a vGPU.
    vgpu.read(SPACE.BAR0, 0x78000, 4);
  }

  get memory() {
    return this.scripted.memory;
  }
  injectMsi(): void {
    this.interrupts++;
  }
  setIntx(asserted: boolean): void {
    if (asserted) this.interrupts++;
  }
  fail(reason: string): void {
    throw new Error(`the guest of a benchmark broke a rule: ${reason}`);
  }
  trackWrites(): boolean {
    return false;
  }

  write32(offset: number, value: number): void {
    this.vgpu.write(SPACE.BAR0, offset, 4, value, 0);
  }

  /** Puts an engine into execlist mode, as a driver does, with context-switch interrupts on. @returns its status page */
  startEngine(engine: EngineId): Uint32Array {
    const base = ENGINES[engine]!.mmioBase;
    this.write32(base + RING.HWS_PGA, this.scripted.bind(HWSP_INDEX + engine, HWSP_GFN + engine));
    this.write32(base + RING.MODE, 0x80008000);
    // The GT groups of all engines: everything unmasked and enabled.
    for (const group of [0x44300, 0x44310, 0x44320, 0x44330]) {
      this.write32(group + 4, 0);
      this.write32(group + 12, 0xffffffff);
    }
    this.write32(MASTER_IRQ, MASTER_ENABLE);
    const page = this.scripted.page(HWSP_GFN + engine);
    page[CSB_WRITE] = 7;
    return page;
  }
}
