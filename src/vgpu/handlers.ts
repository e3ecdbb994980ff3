/**
 * Behaviour of the registers that reach beyond the register file: interrupts, submission, reset, fences, PVINFO and device
 * counters. Small handlers by the names that the register tables use; the tables say which register has which.
 */
import {
  ENGINES,
  type EngineId,
  engineOfHwsPga,
  FENCE_BASE,
  GDRST_FULL,
  type Platform,
  PPGTT_ENABLE,
  PVINFO_BASE,
  RUN_LIST_ENABLE,
} from '../hw/index.js';
import { type Handlers, merge, type ReadHandler, STANDARD_HANDLERS, type WriteHandler } from '../mmio/index.js';
import { type DisplayHandler, displayHandlers } from './display/index.js';
import { engineAt } from './engine-at.js';
import type { Vgpu } from './vgpu.js';

/** A register's behaviour as it is written here: whole dwords. */
interface Behaviour {
  read?(vgpu: Vgpu, offset: number): number;
  write?(vgpu: Vgpu, offset: number, value: number): void;
}

/** Old value with the low half changed where the high half of `value` says so. */
function masked(old: number, value: number): number {
  const mask = value >>> 16;
  return (old & ~mask & 0xffff) | (value & mask & 0xffff);
}

/** IMR or IER: what is pending may now reach the guest, and vblanks may matter that did not. */
function interruptMask(vgpu: Vgpu, offset: number, value: number): void {
  vgpu.bank[offset >>> 2] = value;
  vgpu.irq.changed();
  vgpu.display.interruptMasksChanged();
}

function statusPageEngine({ submission }: Platform, offset: number): EngineId | -1 {
  return submission === 'rings' ? engineOfHwsPga(offset) : engineAt(offset);
}

const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  irqImr: { write: interruptMask },
  irqIer: { write: interruptMask },
  irqIir: {
    write(vgpu, offset, value) {
      vgpu.irq.acknowledge(offset >>> 2, value);
    },
  },
  irqMaster: {
    write(vgpu, _offset, value) {
      vgpu.irq.writeMaster(value);
    },
  },
  elspWrite: {
    write(vgpu, offset, value) {
      vgpu.port(engineAt(offset))?.writeElsp(value);
    },
  },
  csbPtrWrite: {
    write(vgpu, offset, value) {
      vgpu.port(engineAt(offset))?.writePointer(value);
    },
  },
  /** With execlists a tail written to the register moves nothing, and says that the driver expects ring buffers. */
  ringTailWrite: {
    write(vgpu, offset, value) {
      const ring = vgpu.ring(engineAt(offset));
      if (ring === undefined) vgpu.bank[offset >>> 2] = value;
      else ring.writeTail(value);
    },
  },
  ringStopWrite: {
    write(vgpu, offset, value) {
      vgpu.ring(engineAt(offset))?.writeMode(value);
    },
  },
  ringModeWrite: {
    write(vgpu, offset, value) {
      const enabled = value & (value >>> 16);
      const forbidden = enabled & vgpu.platform.forbiddenModeBits;
      if (forbidden !== 0) {
        vgpu.failsafe(`RING_MODE 0x${offset.toString(16)}: bits 0x${forbidden.toString(16)}, which no vGPU may set`);
        return;
      }
      if ((enabled & (RUN_LIST_ENABLE | PPGTT_ENABLE)) !== 0 && !vgpu.notified) {
        vgpu.failsafe('execlists or PPGTT enabled by a driver that never looked at PVINFO');
        return;
      }
      vgpu.bank[offset >>> 2] = masked(vgpu.bank[offset >>> 2]!, value);
    },
  },
  hwsPgaWrite: {
    write(vgpu, offset, value) {
      if ((value & 0xfff) !== 0 || !vgpu.setHwsp(statusPageEngine(vgpu.platform, offset), value >>> 0)) {
        vgpu.refuse('hws-pga-range');
        return;
      }
      vgpu.bank[offset >>> 2] = value;
    },
  },
  gdrst: {
    write(vgpu, offset, value) {
      const all = (value & GDRST_FULL) !== 0;
      const engines = vgpu.platform.engines.filter((id) => all || (value & (1 << ENGINES[id]!.resetBit)) !== 0);
      vgpu.resetEngines(engines, all);
      vgpu.bank[offset >>> 2] = 0;
    },
  },
  fenceRead: {
    read(vgpu, offset) {
      return (offset - FENCE_BASE) >>> 3 < vgpu.grant.fenceCount ? vgpu.bank[offset >>> 2]! : vgpu.foreignFence();
    },
  },
  fenceWrite: {
    write(vgpu, offset, value) {
      if ((offset - FENCE_BASE) >>> 3 >= vgpu.grant.fenceCount) {
        vgpu.foreignFence();
        return;
      }
      vgpu.bank[offset >>> 2] = value;
      vgpu.fenceChanged((offset - FENCE_BASE) >>> 3);
    },
  },
  pvinfoRead: {
    read(vgpu, offset) {
      vgpu.notified = true;
      return vgpu.bank[offset >>> 2]!;
    },
  },
  pvinfoWrite: {
    write(vgpu, offset, value) {
      vgpu.pvinfo.write(offset - PVINFO_BASE, value);
    },
  },
  deviceRead: {
    read(vgpu, offset) {
      return vgpu.deviceRegister(engineAt(offset), offset);
    },
  },
};

/** Registers whose written ones mean "clear": bytes that an access does not cover must stay zero. */
const ONES_CLEAR = new Set(['irqIir']);
const WHOLE = 0xffffffff;

/** Behaviours take whole dwords; what a narrow access does not cover keeps its value. */
function wholeDword(name: string, write: (vgpu: Vgpu, offset: number, value: number) => void): WriteHandler<Vgpu> {
  if (ONES_CLEAR.has(name)) return write;
  return (vgpu, offset, value, mask) => {
    write(vgpu, offset, mask === WHOLE ? value : merge(vgpu.bank[offset >>> 2]!, value, mask));
  };
}

function compile(): Handlers<Vgpu> {
  const read: Record<string, ReadHandler<Vgpu>> = {};
  const write: Record<string, WriteHandler<Vgpu>> = {};
  for (const [name, handler] of Object.entries<DisplayHandler>(displayHandlers)) {
    const { read: onRead, write: onWrite } = handler;
    if (onRead) read[name] = (vgpu, offset) => onRead(vgpu.display, offset);
    if (onWrite) write[name] = wholeDword(name, (vgpu, offset, value) => onWrite(vgpu.display, offset, value));
  }
  for (const [name, behaviour] of Object.entries(BEHAVIOURS)) {
    if (behaviour.read) read[name] = behaviour.read;
    if (behaviour.write) write[name] = wholeDword(name, behaviour.write);
  }
  return { read: { ...read, ...STANDARD_HANDLERS.read }, write: { ...write, ...STANDARD_HANDLERS.write } };
}

/** Every behaviour that register rows name, for compilePolicy. */
export const vgpuHandlers: Handlers<Vgpu> = compile();
