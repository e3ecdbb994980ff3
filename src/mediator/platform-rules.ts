/** What the register rows come to on a platform, compiled once for all devices of it. */
import { type Platform, REGISTER_ROWS } from '../hw/index.js';
import { compilePolicy, type Policy } from '../mmio/index.js';
import { type Vgpu, vgpuHandlers } from '../vgpu/index.js';
import { commandAccess } from './command-access.js';

export interface PlatformRules {
  readonly policy: Policy<Vgpu>;
  /** What the rows' flags say of commands, for the scanner, which does not know rows. Never changed. */
  readonly cmdAccess: Uint8Array;
}

const compiled = new WeakMap<Platform, PlatformRules>();

export function rulesOf(platform: Platform): PlatformRules {
  let rules = compiled.get(platform);
  if (rules === undefined) {
    const policy = compilePolicy(platform, REGISTER_ROWS, vgpuHandlers);
    rules = { policy, cmdAccess: commandAccess(policy) };
    compiled.set(platform, rules);
  }
  return rules;
}
