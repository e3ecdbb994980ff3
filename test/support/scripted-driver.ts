/**
 * A guest driver without a guest: does by hand, through nothing but trapped accesses and its own memory, what a driver does
 * between probe and the first results. Several of them on one mediator make a machine; time passes when the test says so.
 */
import { NS_PER_MS } from '../../src/base/index.js';
import {
  ENGINE_EVENTS,
  ENGINES,
  type EngineId,
  G2V,
  INTERRUPT_GROUPS,
  MASTER_ENABLE,
  MASTER_IRQ,
  PVINFO,
  PVINFO_BASE,
  platformByName,
  RING,
} from '../../src/hw/index.js';
import { SPACE, type Space } from '../../src/hypervisor/index.js';
import type { SparseMemory } from '../../src/hypervisor/sim/index.js';
import { type CoreOptions, MediatorCore, type NewVgpu } from '../../src/mediator/core.js';
import type { Vgpu } from '../../src/vgpu/index.js';
import { type Connect, type GuestBus, SimBus } from './guest-bus.js';
import { ScriptedGuest } from './scripted-guest.js';

const MIB = 1024 * 1024;
const GGTT_OFFSET = 0x800000;
/** Frame of an engine's status page, and the graphics page, counted from the first, that it is bound to. */
const HWSP_FRAME = 0x80;
const HWSP_PAGE = 0x1000;
const RUN_LIST_ENABLE = 0x8000;
const CSB_ENTRIES = 6;
/** Rounds of one run; more means that something is due again and again without time passing. */
const MOST_ROUNDS = 200_000;

/** What a descriptor needs besides the address: valid, 64-bit addressing, LLC coherent, privileged. */
export const DESCRIPTOR_FLAGS = 0x139;
/** The same with 32-bit addressing: page tables of three levels. */
export const DESCRIPTOR_FLAGS_32 = 0x129;

export class Machine {
  readonly core: MediatorCore;
  readonly drivers: ScriptedDriver[] = [];

  constructor(
    options: Partial<CoreOptions> = {},
    private readonly connect: Connect = (core, vgpu) => new SimBus(core, vgpu),
  ) {
    this.core = new MediatorCore({ platform: platformByName('SKL')!, apertureBytes: 512 * MIB, ...options });
  }

  /** A vGPU with a guest that has not touched it yet. */
  attach(spec: Partial<NewVgpu> = {}): ScriptedDriver {
    const name = `guest-${this.drivers.length + 1}`;
    const { vgpu } = this.core.create({ name, type: 'V5_8', monitor: false, ...spec });
    const driver = new ScriptedDriver(this, vgpu, this.connect(this.core, vgpu));
    driver.bus.attach();
    this.drivers.push(driver);
    return driver;
  }

  /** A guest whose driver is up on all engines. */
  boot(spec: Partial<NewVgpu> = {}): ScriptedDriver {
    const driver = this.attach(spec);
    driver.bringUp();
    return driver;
  }

  /** Lets `ns` pass, waking the mediator when something is due. */
  run(ns = NS_PER_MS): void {
    const { core } = this;
    const end = core.clock.now() + ns;
    for (let round = 0; ; round++) {
      if (round > MOST_ROUNDS) throw new Error('the mediator is never done');
      core.advance();
      const due = Math.max(core.nextDue(), core.clock.now() + 1);
      if (due > end) break;
      core.clock.set(due);
    }
    core.clock.set(end);
  }

  /** All VMs are gone. */
  close(): void {
    for (const { bus } of this.drivers) bus.close();
  }

  get violations(): number {
    return this.core.gpu.oracle.violations;
  }
}

export class ScriptedDriver {
  readonly guest: ScriptedGuest;
  readonly #csbRead: number[] = [];

  constructor(
    readonly machine: Machine,
    readonly vgpu: Vgpu,
    readonly bus: GuestBus,
  ) {
    this.guest = new ScriptedGuest(bus.ram, (page, lo, hi) => this.writeGgtt(page, lo, hi), 0, bus.store);
  }

  /** The bus of a guest without adapter, for tests that have a hand in it. */
  get sim(): SimBus {
    if (this.bus instanceof SimBus) return this.bus;
    throw new TypeError('this guest is behind an adapter');
  }
  get memory(): SparseMemory {
    return this.sim.memory;
  }
  get messages(): number {
    return this.bus.messages;
  }
  get lines(): number {
    return this.bus.lines;
  }
  get failed(): string | null {
    return this.bus.failed;
  }
  /** High half of the last 8-byte read. */
  get readHi(): number {
    return this.bus.readHi;
  }

  // ---- accesses

  read(offset: number, bytes = 4, space: Space = SPACE.BAR0): number {
    return this.bus.read(space, offset, bytes) >>> 0;
  }

  write(offset: number, value: number, bytes = 4, space: Space = SPACE.BAR0, hi = 0): void {
    this.bus.write(space, offset, bytes, value >>> 0, hi >>> 0);
  }

  /** Switches bits of a masked register on or off. */
  writeMasked(offset: number, bits: number, on = true): void {
    this.write(offset, (bits << 16) | (on ? bits : 0));
  }

  pvinfo(offset: number): number {
    return this.read(PVINFO_BASE + offset);
  }

  writeGgtt(page: number, lo: number, hi = 0): void {
    this.write(GGTT_OFFSET + page * 8, lo, 8, SPACE.BAR0, hi);
  }

  /** The same entry as two dwords, high half first. */
  writeGgttHalves(page: number, lo: number, hi = 0): void {
    this.write(GGTT_OFFSET + page * 8 + 4, hi);
    this.write(GGTT_OFFSET + page * 8, lo);
  }

  config(offset: number, bytes: number): number {
    return this.read(offset, bytes, SPACE.CONFIG);
  }

  // ---- what a driver does when it loads

  bringUp(): void {
    this.enableDevice();
    this.readPvinfo();
    this.enableInterrupts();
    this.notifyPpgtt(G2V.PPGTT_L4_CREATE, this.guest.pml4 * 4096);
    for (const engine of this.vgpu.platform.engines) this.startEngine(engine);
  }

  /** BARs decoded, bus mastering, MSI. */
  enableDevice(): void {
    this.write(0x04, 0x0406, 2, SPACE.CONFIG);
    this.write(0xb0, 0xfee00000, 4, SPACE.CONFIG);
    this.write(0xb4, 0x4021, 2, SPACE.CONFIG);
    this.write(0xae, 1, 2, SPACE.CONFIG);
  }

  /** Learns that it drives a vGPU, and which graphics memory is its own. @returns the first page of the high part */
  readPvinfo(): number {
    if (this.pvinfo(PVINFO.MAGIC) !== 0x76544776) throw new Error('this is no vGPU');
    this.guest.ggttBase = this.pvinfo(PVINFO.NONMAPPABLE_BASE) / 4096;
    this.write(PVINFO_BASE + PVINFO.DISPLAY_READY, 1);
    return this.guest.ggttBase;
  }

  enableInterrupts(): void {
    for (const { base } of INTERRUPT_GROUPS.slice(0, 4)) {
      this.write(base + 8, 0xffffffff);
      this.write(base + 4, 0);
      this.write(base + 12, 0xffffffff);
    }
    this.write(MASTER_IRQ, MASTER_ENABLE);
  }

  notifyPpgtt(code: number, ...pdps: number[]): void {
    pdps.forEach((pdp, i) => {
      this.write(PVINFO_BASE + PVINFO.PDP0_LO + 8 * i, pdp % 2 ** 32);
      this.write(PVINFO_BASE + PVINFO.PDP0_LO + 8 * i + 4, Math.floor(pdp / 2 ** 32));
    });
    this.write(PVINFO_BASE + PVINFO.G2V_NOTIFY, code);
  }

  startEngine(engine: EngineId): void {
    const base = ENGINES[engine]!.mmioBase;
    this.write(base + RING.HWS_PGA, this.guest.bind(HWSP_PAGE + engine, HWSP_FRAME + engine));
    this.writeMasked(base + RING.MODE, RUN_LIST_ENABLE);
    this.write(base + RING.CONTEXT_STATUS_PTR, 0xffff0505);
    this.hwsp(engine)[0x1f] = CSB_ENTRIES - 1;
    this.#csbRead[engine] = CSB_ENTRIES - 1;
  }

  // ---- work

  hwsp(engine: EngineId): Uint32Array {
    return this.guest.page(HWSP_FRAME + engine);
  }

  writeElsp(
    engine: EngineId,
    first: readonly [lo: number, hi: number],
    second: readonly [number, number] = [0, 0],
  ): void {
    const elsp = ENGINES[engine]!.mmioBase + RING.ELSP;
    for (const value of [second[1], second[0], first[1], first[0]]) this.write(elsp, value);
  }

  /** Builds a context with `commands` in its ring and submits it. */
  submit(engine: EngineId, slot: number, commands: readonly number[], id = 100 + slot): void {
    const { lrca } = this.guest.context(slot, commands);
    this.writeElsp(engine, [lrca + DESCRIPTOR_FLAGS, id]);
  }

  /** New entries of the context status buffer in the status page. */
  events(engine: EngineId): { status: number; id: number }[] {
    const page = this.hwsp(engine);
    const events: { status: number; id: number }[] = [];
    let read = this.#csbRead[engine]!;
    while (read !== page[0x1f]! % CSB_ENTRIES) {
      read = (read + 1) % CSB_ENTRIES;
      events.push({ status: page[0x10 + 2 * read]!, id: page[0x11 + 2 * read]! });
    }
    this.#csbRead[engine] = read;
    this.write(ENGINES[engine]!.mmioBase + RING.CONTEXT_STATUS_PTR, (0xff000000 | (read << 8)) >>> 0);
    return events;
  }

  /** The interrupt handler: master off, what is pending taken and acknowledged, master on. @returns IIR by group name */
  handleInterrupt(): Record<string, number> {
    const master = this.read(MASTER_IRQ);
    this.write(MASTER_IRQ, 0);
    const found: Record<string, number> = {};
    for (const { name, base, summary } of INTERRUPT_GROUPS) {
      if (!summary.some(([bit]) => (master & (1 << bit)) !== 0)) continue;
      found[name] = this.read(base + 8);
      this.write(base + 8, found[name]);
    }
    this.write(MASTER_IRQ, MASTER_ENABLE);
    return found;
  }

  /** An engine's events among what the handler found: user interrupt 1, flush 0x10, context switch 0x100. */
  engineBits(found: Record<string, number>, engine: EngineId): number {
    const { group, shift } = ENGINE_EVENTS[engine];
    return ((found[INTERRUPT_GROUPS[group]!.name] ?? 0) >>> shift) & 0xffff;
  }

  // ---- what the operator sees of it

  refused(rule: string): number {
    return this.vgpu.allRefusals()[rule] ?? 0;
  }

  get workloads(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return this.machine.core.arbiter.results(this.vgpu.id) ?? {};
  }
}
