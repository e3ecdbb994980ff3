/** A device, an arbiter and guests of it, without a mediator around them; the device may be one that can be broken. */
import { VirtualClock } from '../../src/base/index.js';
import { type DmaPages, FaultyGpu, type Gpu, ModelGpu } from '../../src/gpu/index.js';
import { type PagePool, ShadowPpgtt } from '../../src/gtt/index.js';
import { type EngineId, type Grant, PLATFORMS, type Platform } from '../../src/hw/index.js';
import type { SparseMemory } from '../../src/hypervisor/sim/index.js';
import { Arbiter, type ArbiterOptions, type WorkloadResult } from '../../src/scheduler/index.js';
import { guestRam, ScriptedGuest } from '../support/scripted-guest.js';

const SKL = PLATFORMS.find((platform) => platform.name === 'SKL')!;
export const MIB = 1024 * 1024;

function pool(gpu: Gpu, owner: number): PagePool<DmaPages> {
  return { allocate: (pages) => gpu.allocate(pages, owner), free: (pages) => gpu.free(pages) };
}

/** One vGPU of a machine: what its guest sees of the arbiter. */
export class Tenant {
  readonly grant: Grant;
  readonly guest: ScriptedGuest<SparseMemory>;
  readonly done: { engine: EngineId; tag: number; result: WorkloadResult; reason: string | null }[] = [];
  readonly interrupts: { engine: EngineId; bits: number }[] = [];
  refusedEntries = 0;

  constructor(
    readonly machine: Machine,
    vgpu: number,
  ) {
    const { gpu, arbiter } = machine;
    this.grant = {
      vgpu,
      weight: 2,
      lowStart: (64 + 64 * vgpu) * MIB,
      lowBytes: 64 * MIB,
      highStart: (1024 + 384 * vgpu) * MIB,
      highBytes: 384 * MIB,
      fenceStart: 4 * vgpu,
      fenceCount: 4,
    };
    this.guest = new ScriptedGuest(
      guestRam(gpu.frameBase(vgpu)),
      (page, lo, hi) => {
        if (!arbiter.writeGgtt(vgpu, page, lo, hi)) this.refusedEntries++;
      },
      this.grant.highStart / 4096,
    );
    gpu.attachMemory(vgpu, this.guest.memory);
    arbiter.attach({
      grant: this.grant,
      memory: this.guest.memory,
      bank: new Uint32Array(0x80000),
      ppgtt: new ShadowPpgtt({ guest: this.guest.memory, pool: pool(gpu, vgpu), maxShadowPages: 1024 }),
      events: {
        engineInterrupt: (engine, bits) => this.interrupts.push({ engine, bits }),
        workloadDone: (engine, tag, result, reason) => this.done.push({ engine, tag, result, reason }),
      },
    });
  }

  submit(engine: EngineId, tag: number, slot: number, commands: readonly number[]): void {
    const context = this.guest.context(slot, commands);
    this.machine.arbiter.submit({ vgpu: this.grant.vgpu, engine, tag, levels: 4, ...context });
  }
}

export class Machine {
  readonly clock = new VirtualClock();
  readonly model: ModelGpu;
  readonly gpu: FaultyGpu;
  readonly arbiter: Arbiter;

  constructor(options: Partial<ArbiterOptions> = {}, platform: Platform = SKL) {
    this.model = new ModelGpu({ platform, apertureBytes: 512 * MIB });
    this.gpu = new FaultyGpu(this.model);
    this.arbiter = new Arbiter({
      gpu: this.gpu,
      clock: this.clock,
      realTime: this.clock,
      hostRanges: [{ firstPage: (512 * MIB) / 4096, pages: (384 * MIB) / 4096 }],
      cmdAccess: new Uint8Array(0x80000).fill(1),
      // A hundred times shorter than on a device, for the model executes what it waits out.
      hangLimits: { checkNs: 5e6, stuckNs: 60e6, runNs: 200e6 },
      ...options,
    });
  }

  get violations(): number {
    return this.model.oracle.violations;
  }

  /** Lets the machine run for `ns`, waking when something is due. */
  run(ns: number): void {
    const end = this.clock.now() + ns;
    for (;;) {
      for (let round = 0; round < 100; round++) {
        const worked = this.gpu.advance(this.clock.now());
        if (!this.arbiter.service() && !worked) break;
      }
      const due = Math.max(this.clock.now() + 1, Math.min(this.gpu.nextDue(), this.arbiter.nextDue()));
      if (due > end) break;
      this.clock.set(due);
    }
    this.clock.set(end);
  }
}
