/** What the parts of the model share: one device's memory, registers, address space, interrupts and counters. */
import type { Platform } from '../../hw/index.js';
import type { CostModel } from './cost.js';
import type { GlobalGtt } from './ggtt.js';
import type { InterruptTree } from './interrupts.js';
import type { MachineMemory } from './memory.js';
import type { ViolationLog } from './oracle.js';
import type { RegisterFile } from './registers.js';

/** Things that happened and that a driver of the device might want to know why. Plain counts. */
export interface ModelCounters {
  commands: number;
  /** Accesses to graphics addresses that no page-table entry maps, and writes to read-only pages. */
  faults: number;
  /** Headers that no row of the command tables knows. The engine hangs on them. */
  unknownCommands: number;
  /** Commands that hardware would execute and the model only skips, by header bits (see ModelGpu.unsupported). */
  unsupportedCommands: number;
  /** Register writes from an unprivileged batch to a register that such a batch may not write. */
  refusedRegisterWrites: number;
  /** ELSP writes that did not describe a list: first element invalid, or execlists not enabled. */
  refusedSubmissions: number;
}

export interface Device {
  readonly platform: Platform;
  readonly cost: CostModel;
  readonly memory: MachineMemory;
  readonly ggtt: GlobalGtt;
  readonly registers: RegisterFile;
  readonly interrupts: InterruptTree;
  readonly oracle: ViolationLog;
  readonly counters: ModelCounters;
  readonly unsupported: Map<number, number>;
  /** Local time of whoever acts: the engine whose command runs, or the CPU that reads a register; ns. */
  time: number;
}

const UNSUPPORTED_KINDS = 64;

export function countUnsupported(device: Device, header: number): void {
  device.counters.unsupportedCommands++;
  const known = device.unsupported.get(header);
  if (known !== undefined) device.unsupported.set(header, known + 1);
  else if (device.unsupported.size < UNSUPPORTED_KINDS) device.unsupported.set(header, 1);
}

const NS_PER_S = 1e9;

/** Value of the command streamers' timestamp counter at `ns`: 36 bits. */
export function timestampAt(ns: number, hz: number): number {
  const seconds = Math.floor(ns / NS_PER_S);
  const ticks = seconds * hz + Math.floor(((ns - seconds * NS_PER_S) * (hz / 1000)) / 1e6);
  return ticks % 2 ** 36;
}
