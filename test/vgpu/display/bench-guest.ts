/**
 * A bench for the virtual display: the registers of a real vGPU, a host that logs interrupts, memory behind a GGTT, and a
 * driver that reads like prose.
 */
import { type Frames, NS_PER_MS, PAGE_DWORDS, VirtualClock } from '../../../src/base/index.js';
import {
  DDI,
  type DisplayEventName,
  EDIDS,
  PIPE_STRIDE,
  type Platform,
  PORT_STRIDE,
  platformByName,
  READ_BEHAVIOURS,
  REGISTER_ROWS,
  WRITE_BEHAVIOURS,
} from '../../../src/hw/index.js';
import {
  compilePolicy,
  type MmioContext,
  type Policy,
  type ReadHandler,
  RegisterFile,
  STANDARD_HANDLERS,
  type WriteHandler,
} from '../../../src/mmio/index.js';
import {
  Display,
  type DisplayHandler,
  type DisplayHost,
  type DisplayOptions,
  displayHandlers,
} from '../../../src/vgpu/display/index.js';

export const SKL: Platform = platformByName('SKL')!;
export const BDW: Platform = platformByName('BDW')!;
export const CFL: Platform = platformByName('CFL')!;

/** IMR and IER as the vGPU has them: stored, and the display is told. */
const interruptMask: WriteHandler<Bench> = (bench, offset, value, mask) => {
  bench.regs.store(offset, value, mask);
  bench.display.interruptMasksChanged();
};

/** Behaviours of the vGPU's other parts; a display test that gets to one is not about the display. */
const foreign = (name: string) => (): never => {
  throw new Error(`no display register: ${name}`);
};

/** Every behaviour that rows name: the display's and the register file's own are the real ones. */
function handlers(): { read: Record<string, ReadHandler<Bench>>; write: Record<string, WriteHandler<Bench>> } {
  const read: Record<string, ReadHandler<Bench>> = {};
  const write: Record<string, WriteHandler<Bench>> = {};
  for (const name of Object.keys(READ_BEHAVIOURS)) read[name] = foreign(name);
  for (const name of Object.keys(WRITE_BEHAVIOURS)) write[name] = foreign(name);
  for (const [name, handler] of Object.entries<DisplayHandler>(displayHandlers)) {
    const { read: onRead, write: onWrite } = handler;
    if (onRead) read[name] = (bench, offset) => onRead(bench.display, offset);
    if (onWrite) write[name] = (bench, offset, value) => onWrite(bench.display, offset, value);
  }
  Object.assign(read, STANDARD_HANDLERS.read);
  Object.assign(write, STANDARD_HANDLERS.write, { irqImr: interruptMask, irqIer: interruptMask });
  return { read, write };
}

const policies = new Map<number, Policy<Bench>>();

/** The register map of a platform, compiled as for a vGPU. */
function policyOf(platform: Platform): Policy<Bench> {
  const policy = policies.get(platform.bit) ?? compilePolicy(platform, REGISTER_ROWS, handlers());
  policies.set(platform.bit, policy);
  return policy;
}

/** Guest RAM of `pages` frames, and the vGPU's GGTT that maps graphics pages to them. */
export class GuestRam implements Frames {
  readonly words: Uint32Array;
  readonly ggtt = new Map<number, number>();
  constructor(pages: number) {
    this.words = new Uint32Array(pages * PAGE_DWORDS);
  }
  locate(frame: number): number {
    const at = frame * PAGE_DWORDS;
    return at < this.words.length ? at : -1;
  }
}

export class Bench implements MmioContext {
  readonly clock = new VirtualClock();
  readonly regs: RegisterFile<Bench>;
  readonly bank: Uint32Array;
  readonly ram = new GuestRam(2048);
  /** Interrupts that were raised, with their pipe, in order; `at` is when. */
  readonly raised: { event: DisplayEventName; pipe: number; at: number }[] = [];
  /** Rules by which accesses were refused, in order. */
  readonly refusals: string[] = [];
  readonly platform: Platform;
  readonly host: DisplayHost;
  readonly display: Display;

  constructor(platform: Platform = SKL, options: Partial<DisplayOptions> = {}) {
    this.platform = platform;
    this.regs = new RegisterFile<Bench>(policyOf(platform), this);
    this.bank = this.regs.bank;
    this.host = {
      platform,
      bank: this.bank,
      memory: this.ram,
      now: () => this.clock.now(),
      raise: (event, pipe = 0) => this.raised.push({ event, pipe, at: this.clock.now() }),
      gfnOfGmadrPage: (page) => this.ram.ggtt.get(page) ?? -1,
    };
    this.display = new Display(this.host, { monitor: true, edid: EDIDS['1024x768'], ...options });
  }

  read(offset: number): number {
    return this.regs.read(offset, 4);
  }

  write(offset: number, value: number): void {
    this.regs.write(offset, 4, value);
  }

  /** As after a reset of the device: the registers first, then what the display puts into them. */
  reset(): void {
    this.regs.reset('device');
    this.display.initRegisters();
  }

  refuse(rule: string): void {
    this.refusals.push(rule);
  }

  failsafe(reason: string): void {
    throw new Error(`the guest lost its vGPU: ${reason}`);
  }

  tlbInvalidate(): void {}

  events(): string[] {
    return this.raised.map(({ event }) => event);
  }

  /** Lets `ms` pass, with the timer served as the mediator serves it. */
  pass(ms: number): void {
    const end = this.clock.now() + ms * NS_PER_MS;
    for (;;) {
      const due = this.display.nextDue();
      if (due > end) break;
      this.clock.set(due);
      this.display.advance(this.clock.now());
    }
    this.clock.set(end);
  }
}

export interface AuxReply {
  readonly timeout: boolean;
  /** First byte: 0 is ACK. */
  readonly code: number;
  readonly bytes: number[];
}

const PORT_INDEX = { A: 0, B: 1, C: 2, D: 3 } as const;
export type AuxPort = keyof typeof PORT_INDEX;

/** What a display driver does, one method per step. */
export class Driver {
  readonly bench: Bench;
  constructor(bench: Bench) {
    this.bench = bench;
  }

  #auxControl(port: AuxPort): number {
    const pch = this.bench.platform.gen === 8 && port !== 'A';
    return (pch ? 0xe4010 : DDI.AUX_CTL) + PORT_INDEX[port] * PORT_STRIDE;
  }

  /** One AUX transaction; the first bytes are the request's header. */
  aux(port: AuxPort, request: readonly number[]): AuxReply {
    const control = this.#auxControl(port);
    for (let at = 0; at < request.length; at += 4) {
      const word = [0, 1, 2, 3].reduce((sum, i) => sum * 256 + (request[at + i] ?? 0), 0);
      this.bench.write(control + 4 + at, word);
    }
    // send, clear what is sticky, 1600 us timeout, interrupt
    this.bench.write(control, (0xfe00023f | (request.length << 20)) >>> 0);
    const status = this.bench.read(control);
    if ((status & 0x80000000) !== 0 || (status & 0x40000000) === 0) throw new Error('AUX never finished');
    this.bench.write(control, status | 0x52000000);
    if ((status & 0x10000000) !== 0) return { timeout: true, code: -1, bytes: [] };
    const size = (status >>> 20) & 0x1f;
    const bytes = Array.from({ length: size }, (_, i) => {
      return (this.bench.read(control + 4 + (i & ~3)) >>> (24 - 8 * (i & 3))) & 0xff;
    });
    return { timeout: false, code: bytes[0]!, bytes: bytes.slice(1) };
  }

  #header(command: number, address: number, length: number): number[] {
    return [(command << 4) | (address >> 16), (address >> 8) & 0xff, address & 0xff, length - 1];
  }

  readDpcd(port: AuxPort, address: number, length: number): AuxReply {
    return this.aux(port, this.#header(9, address, length));
  }

  writeDpcd(port: AuxPort, address: number, ...bytes: number[]): AuxReply {
    return this.aux(port, [...this.#header(8, address, bytes.length), ...bytes]);
  }

  /** The EDID by I2C-over-AUX as a DRM driver reads it: start, word address, sixteen bytes at a time, stop. */
  readEdidOverAux(port: AuxPort): number[] {
    const mot = 4;
    this.aux(port, [mot << 4, 0, 0x50]);
    this.aux(port, [mot << 4, 0, 0x50, 0, 0]);
    this.aux(port, [(mot | 1) << 4, 0, 0x50]);
    const edid: number[] = [];
    while (edid.length < 128) edid.push(...this.aux(port, [(mot | 1) << 4, 0, 0x50, 15]).bytes);
    this.aux(port, [1 << 4, 0, 0x50]);
    return edid;
  }

  /** An indexed GMBUS read; null when nobody acknowledged. Every wait must end at once. */
  gmbusRead(pin: number, slave: number, index: number, length: number): number[] | null {
    const { bench } = this;
    bench.write(0xc5100, pin);
    bench.write(0xc5104, (0x46000000 | (length << 16) | (index << 8) | (slave << 1) | 1) >>> 0);
    const bytes: number[] = [];
    while (bytes.length < length) {
      const status = bench.read(0xc5108);
      if ((status & 0x400) !== 0) {
        if ((status & 0x200) !== 0) throw new Error('the bus stayed busy after a NAK');
        bench.write(0xc5104, 0x80000000);
        bench.write(0xc5104, 0);
        bench.write(0xc5100, 0);
        return null;
      }
      if ((status & 0x800) === 0) throw new Error('GMBUS is not ready');
      const word = bench.read(0xc510c);
      for (let i = 0; i < 4 && bytes.length < length; i++) bytes.push((word >>> (8 * i)) & 0xff);
    }
    if ((bench.read(0xc5108) & 0x4000) === 0) throw new Error('GMBUS did not wait');
    bench.write(0xc5104, 0x48000000);
    if ((bench.read(0xc5108) & 0x200) !== 0) throw new Error('GMBUS is not idle');
    bench.write(0xc5100, 0);
    return bytes;
  }

  /** Trains `lanes` at `rate` (DPCD units); returns the lane status after each phase. */
  trainLink(port: AuxPort, rate: number, lanes: number): { recovered: number[]; equalised: number[] } {
    const base = PORT_INDEX[port] * PORT_STRIDE;
    this.writeDpcd(port, 0x600, 1);
    this.bench.write(DDI.TP_CTL + base, 0x80040000);
    this.bench.write(DDI.BUF_CTL + base, 0x80000000 | ((lanes - 1) << 1));
    this.writeDpcd(port, 0x100, rate, 0x80 | lanes);
    this.writeDpcd(port, 0x102, 0x21, 0, 0, 0, 0);
    const recovered = this.readDpcd(port, 0x202, 6).bytes;
    this.bench.write(DDI.TP_CTL + base, 0x80040100);
    this.writeDpcd(port, 0x102, 0x22, 0, 0, 0, 0);
    const equalised = this.readDpcd(port, 0x202, 6).bytes;
    this.bench.write(DDI.TP_CTL + base, 0x80040200);
    if ((this.bench.read(DDI.TP_STATUS + base) & (1 << 25)) === 0) throw new Error('no idle pattern');
    this.writeDpcd(port, 0x102, 0);
    this.bench.write(DDI.TP_CTL + base, 0x80040300);
    return { recovered, equalised };
  }

  /** 1024x768 at 65 MHz on a 1.62 Gbps link, as i915 programs it, on `pipe`. */
  setMode1024(pipe = 0): void {
    const { bench } = this;
    const t = pipe * PIPE_STRIDE;
    const portIndex = PORT_INDEX[bench.platform.monitorPort];
    if (bench.platform.gen === 9) {
      bench.write(0x6c058, 0x145);
      bench.write(0x6c05c, (1 << (portIndex * 3)) | (1 << (portIndex * 3 + 1)));
    } else {
      bench.write(0x46100 + 4 * portIndex, 2 << 29);
    }
    bench.write(0x6001c + t, 0x03ff02ff);
    bench.write(0x60040 + t, 0x000335ba);
    bench.write(0x60044 + t, 0x00080000);
    bench.write(0x60000 + t, 0x053f03ff);
    bench.write(0x6000c + t, 0x032502ff);
    bench.write(0x60010 + t, 0x032502ff);
    bench.write(0x60400 + t, (0x82000002 | (portIndex << 28)) >>> 0);
    bench.write(0x70008 + t, 0x80000000);
  }

  pipeOff(pipe = 0): void {
    this.bench.write(0x70008 + pipe * PIPE_STRIDE, 0);
  }

  /** Unmasks and enables `bits` of a pipe's interrupts. */
  enablePipeInterrupts(bits: number, pipe = 0): void {
    this.bench.write(0x44404 + 0x10 * pipe, ~bits >>> 0);
    this.bench.write(0x4440c + 0x10 * pipe, bits);
  }

  maskPipeInterrupts(pipe = 0): void {
    this.bench.write(0x44404 + 0x10 * pipe, 0xffffffff);
  }
}
