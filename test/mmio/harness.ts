/** A vGPU reduced to what registers need, which remembers what handlers told it. */
import { type Platform, platformByName, READ_BEHAVIOURS, REGISTER_ROWS, WRITE_BEHAVIOURS } from '../../src/hw/index.js';
import {
  compilePolicy,
  type Handlers,
  type MmioContext,
  type Policy,
  RegisterFile,
  STANDARD_HANDLERS,
} from '../../src/mmio/index.js';

export class TestVgpu implements MmioContext {
  readonly platform: Platform;
  readonly regs: RegisterFile<TestVgpu>;
  readonly refusals: string[] = [];
  readonly failsafes: string[] = [];
  readonly invalidations: number[] = [];
  /** Offsets and values that handlers saw, in order. */
  readonly log: string[] = [];

  constructor(platform: Platform, policy: Policy<TestVgpu>, bank?: Uint32Array) {
    this.platform = platform;
    this.regs = new RegisterFile<TestVgpu>(policy, this, bank);
  }
  refuse(rule: string): void {
    this.refusals.push(rule);
  }
  failsafe(reason: string): void {
    this.failsafes.push(reason);
  }
  tlbInvalidate(offset: number): void {
    this.invalidations.push(offset);
  }
}

export const platformOf = (name: string): Platform => platformByName(name)!;
export const SKL = platformOf('SKL');

/** Behaviours that belong to other layers, reduced to storage. */
const STORAGE: Handlers<TestVgpu> = {
  read: Object.fromEntries(
    Object.keys(READ_BEHAVIOURS).map((name) => [name, (vgpu: TestVgpu, at: number) => vgpu.regs.bank[at >>> 2]!]),
  ),
  write: Object.fromEntries(
    Object.keys(WRITE_BEHAVIOURS).map((name) => [
      name,
      (vgpu: TestVgpu, at: number, value: number, mask: number) => vgpu.regs.store(at, value, mask),
    ]),
  ),
};

export const HANDLERS: Handlers<TestVgpu> = {
  read: { ...STORAGE.read, ...STANDARD_HANDLERS.read },
  write: { ...STORAGE.write, ...STANDARD_HANDLERS.write },
};

const policies = new Map<string, Policy<TestVgpu>>();

/** A vGPU with the real register map, with plain storage for what other layers do. */
export function vgpuOf(platform: Platform): TestVgpu {
  let policy = policies.get(platform.name);
  if (policy === undefined) {
    policy = compilePolicy(platform, REGISTER_ROWS, HANDLERS);
    policies.set(platform.name, policy);
  }
  return new TestVgpu(platform, policy);
}
