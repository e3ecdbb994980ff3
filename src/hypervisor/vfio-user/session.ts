/**
 * One client from its connection to its end: takes message after message, gives each that wants an answer exactly one.
 *
 * A handler returns how many bytes of payload it put into the answer, or the negative errno of the rule that refuses the
 * message. The answer is made in one place from that, so that no handler can answer twice or forget to.
 */
import { reasonOf, XengtError } from '../../base/index.js';
import { errnoName, type Native } from '../native.js';
import type { GuestPort, TrapSink } from '../port.js';
import { Connection, NEXT, RECEIVED } from './connection.js';
import type { VfioUserCounters } from './counters.js';
import { Regions } from './device.js';
import { Irqs } from './irqs.js';
import { VfioGuestMemory } from './memory.js';
import {
  COMMAND,
  DEVICE,
  DMA,
  FLAG,
  HEADER,
  IRQ,
  IRQ_INFO_FLAGS,
  IRQ_SET,
  REGION,
  RULES,
  type Rule,
  WRITE_ONE_BYTES,
} from './protocol.js';
import { answerVersion } from './version.js';

export interface SessionOptions {
  readonly apertureBytes: number;
  /** Default: 16 MiB, as from Gen8 on. */
  readonly bar0Bytes?: number | undefined;
  readonly frameBase: number;
  readonly writeMultiple: boolean;
}

/** What a session asks of the server that it belongs to. */
export interface SessionHost {
  readonly native: Native;
  readonly counters: VfioUserCounters;
  readonly options: SessionOptions;
  log(message: string): void;
  /** Serving the client's device threw what is no refusal. */
  fault(error: unknown): void;
  /** A client has shown its version: makes its device, or says by which rule it can't have one. */
  attach(session: Session): TrapSink | Rule;
}

/** Payload begins here in the answer. */
const BODY = HEADER.BYTES;
const TWO_32 = 2 ** 32;

export class Session implements GuestPort {
  readonly memory: VfioGuestMemory;
  readonly irqs: Irqs;
  readonly canTrackWrites = false;
  readonly connection: Connection;
  /** Why this session is over; null while it is not. */
  ended: string | null = null;
  /** Why the mediator gave up on this guest; null while it has not. */
  failed: string | null = null;
  /** True once the client has shown a version that can be served. */
  versioned = false;
  /** Changes with every message and every byte sent: a session whose progress stands still with work open is stalled. */
  progress = 0;

  readonly #host: SessionHost;
  readonly #regions: Regions;
  readonly #counters: VfioUserCounters;
  readonly #logged = new Set<Rule>();
  readonly #view: DataView;
  readonly #out: DataView;
  /** Set by a handler after whose answer the connection ends. */
  #endAfter: string | null = null;

  constructor(host: SessionHost, fd: number) {
    this.#host = host;
    this.#counters = host.counters;
    this.connection = new Connection(host.native, fd, (rule) => this.#refuse(rule));
    this.#view = this.connection.view;
    this.#out = this.connection.outView;
    this.memory = new VfioGuestMemory(host.native, host.counters, host.options.frameBase);
    this.irqs = new Irqs(host.native, host.counters);
    this.#regions = new Regions(host.options.apertureBytes, host.options.bar0Bytes);
  }

  // The guest port.

  injectMsi(_address: number, _data: number): void {
    // Where the message goes is the VMM's business: it has seen the guest's writes to the MSI registers.
    this.irqs.injectMsi();
  }

  setIntx(asserted: boolean): void {
    this.irqs.setIntx(asserted);
  }

  /** The protocol has no message for this that would not stop the whole VM, so it is kept for the operator. */
  fail(reason: string): void {
    this.failed ??= reason;
    this.#host.log(`guest failed: ${reason}`);
  }

  trackWrites(_gfn: number, _on: boolean): boolean {
    return false;
  }

  // The stream.

  /** Does up to `budget` messages. @returns true when there may be more to do at once */
  run(budget: number): boolean {
    const { connection } = this;
    if (connection.blocked) {
      const sent = connection.sent;
      if (!connection.flush()) return this.#end(`client is gone: ${errnoName(connection.errno)}`);
      if (connection.sent !== sent) this.progress++;
      if (connection.blocked) return false;
      if (this.#endAfter !== null) return this.#end(this.#endAfter);
    }
    connection.emptied = false;
    for (;;) {
      const next = connection.next();
      if (next === NEXT.NONE) {
        if (connection.emptied) return false;
        const received = connection.receive();
        if (received === RECEIVED.DATA) continue;
        if (received === RECEIVED.NOTHING) return false;
        if (received === RECEIVED.END) return this.#end('client closed the connection');
        return this.#end(`client is gone: ${errnoName(connection.errno)}`);
      }
      if (next === NEXT.LOST) {
        this.#refuse(connection.lost);
        return this.#end(`framing lost (${connection.lost})`);
      }
      this.progress++;
      const answered = this.#dispatch(next === NEXT.TOO_LONG);
      connection.done();
      if (!answered) return this.#end(`client is gone: ${errnoName(connection.errno)}`);
      if (connection.blocked) return false;
      if (this.#endAfter !== null) return this.#end(this.#endAfter);
      if (--budget <= 0) return true;
    }
  }

  #end(reason: string): false {
    this.ended ??= reason;
    return false;
  }

  /** Lets go of everything that the client gave. */
  release(): void {
    this.#regions.sink = null;
    this.#counters.bytesReceived += this.connection.received;
    this.#counters.bytesSent += this.connection.sent;
    this.memory.clear();
    this.irqs.close();
    this.connection.close();
  }

  /** Takes the message that the connection stands on. @returns false when the client is gone */
  #dispatch(tooLong: boolean): boolean {
    const { connection } = this;
    const at = connection.at;
    const head = this.#view;
    const command = head.getUint16(at + HEADER.COMMAND, true);
    const flags = head.getUint32(at + HEADER.FLAGS, true);
    this.#counters.messages[command >= COMMAND.VERSION && command <= COMMAND.MIG_DATA_WRITE ? command : 0]!++;
    if ((flags & FLAG.TYPE) === FLAG.REPLY) {
      // Nothing was asked of the client, and an answer is not answered.
      this.#refuse('message.unexpected-reply');
      return true;
    }
    let result: number;
    try {
      result = tooLong
        ? this.#refuse('message.too-long')
        : this.#handle(command, flags, at + HEADER.BYTES, connection.size - HEADER.BYTES);
    } catch (error) {
      // A fault of ours; the guest gets an error, and everybody else goes on.
      this.#host.log(`message ${command} failed: ${reasonOf(error)}`);
      if (this.versioned) this.#host.fault(error);
      result = this.#refuse('internal');
    }
    if ((flags & FLAG.NO_REPLY) !== 0) {
      this.#counters.posted++;
      return true;
    }
    this.#counters.requests++;
    const out = this.#out;
    const bytes = result < 0 ? HEADER.BYTES : HEADER.BYTES + result;
    out.setUint16(HEADER.ID, head.getUint16(at + HEADER.ID, true), true);
    out.setUint16(HEADER.COMMAND, command, true);
    out.setUint32(HEADER.SIZE, bytes, true);
    out.setUint32(HEADER.FLAGS, result < 0 ? FLAG.REPLY | FLAG.ERROR : FLAG.REPLY, true);
    out.setUint32(HEADER.ERROR, result < 0 ? -result : 0, true);
    this.#counters.answers++;
    return connection.send(bytes);
  }

  /** Counts a refusal. @returns the negative errno for the answer */
  #refuse(rule: Rule): number {
    this.#counters.refusals[rule]++;
    if (!this.#logged.has(rule)) {
      this.#logged.add(rule);
      this.#host.log(`client broke rule ${rule} (said once, counted always)`);
    }
    return -RULES[rule];
  }

  #handle(command: number, flags: number, body: number, length: number): number {
    if ((flags & FLAG.TYPE) !== 0) return this.#refuse('message.type');
    if ((flags & ~(FLAG.TYPE | FLAG.NO_REPLY)) !== 0) return this.#refuse('message.flags');
    const fdCount = this.connection.fds[0]!;
    if (fdCount !== 0) {
      if (fdCount < 0) return this.#refuse('message.descriptors-lost');
      if (command !== COMMAND.DMA_MAP && command !== COMMAND.SET_IRQS) return this.#refuse('message.descriptors');
    }
    if (!this.versioned && command !== COMMAND.VERSION) return this.#refuse('version.first');
    switch (command) {
      case COMMAND.REGION_WRITE:
        return this.#regionWrite(body, length);
      case COMMAND.REGION_READ:
        return this.#regionRead(body, length);
      case COMMAND.REGION_WRITE_MULTI:
        return this.#regionWriteMulti(body, length);
      case COMMAND.VERSION:
        return this.#version(body, length);
      case COMMAND.DMA_MAP:
        return this.#dmaMap(body, length, fdCount);
      case COMMAND.DMA_UNMAP:
        return this.#dmaUnmap(body, length);
      case COMMAND.DEVICE_GET_INFO:
        return this.#deviceInfo(body, length);
      case COMMAND.GET_REGION_INFO:
        return this.#regionInfo(body, length);
      case COMMAND.GET_IRQ_INFO:
        return this.#irqInfo(body, length);
      case COMMAND.SET_IRQS:
        return this.#setIrqs(body, length, fdCount);
      case COMMAND.DEVICE_RESET:
        return this.#reset(length);
      case COMMAND.DMA_READ:
      case COMMAND.DMA_WRITE:
        return this.#refuse('command.direction');
      case COMMAND.GET_REGION_IO_FDS:
      case COMMAND.DIRTY_PAGES:
      case COMMAND.DEVICE_FEATURE:
      case COMMAND.MIG_DATA_READ:
      case COMMAND.MIG_DATA_WRITE:
        return this.#refuse('command.unsupported');
      default:
        return this.#refuse('command.unknown');
    }
  }

  /** The device behind the regions. There is one from the first answer to VERSION on. */
  #sink(): TrapSink {
    const { sink } = this.#regions;
    if (sink === null) throw new XengtError('XENGT_E_PROTOCOL', 'a client without a device was let through');
    return sink;
  }

  // Accesses.

  /** An offset field: a Number, beyond 2^53 inexact but still larger than any region. */
  #offset(at: number): number {
    return this.#view.getUint32(at + 4, true) * TWO_32 + this.#view.getUint32(at, true);
  }

  #regionRead(body: number, length: number): number {
    if (length !== REGION.IO_BYTES) return this.#refuse('message.payload');
    const view = this.#view;
    const offset = this.#offset(body);
    const region = view.getUint32(body + 8, true);
    const count = view.getUint32(body + 12, true);
    const rule = this.#regions.check(region, offset, count);
    if (rule !== null) return this.#refuse(rule);
    this.#echoAccess(offset, region, count);
    this.#regions.read(this.#sink(), region, offset, count, this.#out, BODY + REGION.IO_BYTES);
    return REGION.IO_BYTES + count;
  }

  #regionWrite(body: number, length: number): number {
    if (length < REGION.IO_BYTES) return this.#refuse('message.payload');
    const view = this.#view;
    const offset = this.#offset(body);
    const region = view.getUint32(body + 8, true);
    const count = view.getUint32(body + 12, true);
    if (length !== REGION.IO_BYTES + count) return this.#refuse('message.payload');
    const rule =
      this.#regions.check(region, offset, count) ??
      this.#regions.write(this.#sink(), region, offset, count, view, body + REGION.IO_BYTES);
    if (rule !== null) return this.#refuse(rule);
    this.#echoAccess(offset, region, count);
    return REGION.IO_BYTES;
  }

  #echoAccess(offset: number, region: number, count: number): void {
    const out = this.#out;
    out.setUint32(BODY, offset, true);
    out.setUint32(BODY + 4, 0, true);
    out.setUint32(BODY + 8, region, true);
    out.setUint32(BODY + 12, count, true);
  }

  /** Several writes in one message. One that is refused does not keep the others from being done, as if sent alone. */
  #regionWriteMulti(body: number, length: number): number {
    if (length < 8) return this.#refuse('message.payload');
    const view = this.#view;
    const writes = this.#offset(body);
    if (length !== 8 + writes * WRITE_ONE_BYTES) return this.#refuse('write-multi.count');
    const sink = this.#sink();
    let refused = 0;
    for (let i = 0; i < writes; i++) {
      const one = body + 8 + i * WRITE_ONE_BYTES;
      const offset = this.#offset(one);
      const region = view.getUint32(one + 8, true);
      const count = view.getUint32(one + 12, true);
      const rule =
        this.#regions.check(region, offset, count) ??
        (count > 8 ? 'region.size' : this.#regions.write(sink, region, offset, count, view, one + 16));
      if (rule !== null) refused = this.#refuse(rule);
    }
    this.#counters.coalescedWrites += writes;
    if (refused < 0) return refused;
    this.#out.setUint32(BODY, writes, true);
    this.#out.setUint32(BODY + 4, 0, true);
    return 8;
  }

  #reset(length: number): number {
    if (length !== 0) return this.#refuse('message.payload');
    this.#sink().reset();
    return 0;
  }

  // Attaching.

  #version(body: number, length: number): number {
    if (this.versioned) return this.#refuse('version.repeated');
    const { connection } = this;
    const payload = connection.bytes.subarray(body, body + length);
    const answer = answerVersion(payload, connection.out.subarray(BODY), this.#host.options.writeMultiple);
    if (typeof answer === 'string') {
      // A version that cannot be served ends the connection; a malformed message may be followed by a better one.
      if (answer === 'version.major') this.#endAfter = 'client speaks another version';
      return this.#refuse(answer);
    }
    this.#endAfter = 'its device could not be made';
    const sink = this.#host.attach(this);
    if (typeof sink === 'string') {
      this.#endAfter = `client was refused (${sink})`;
      return this.#refuse(sink);
    }
    this.#endAfter = null;
    this.#regions.sink = sink;
    this.versioned = true;
    return answer;
  }

  #deviceInfo(body: number, length: number): number {
    if (length !== DEVICE.INFO_BYTES) return this.#refuse('message.payload');
    if (this.#view.getUint32(body, true) < DEVICE.INFO_BYTES) return this.#refuse('device-info.argsz');
    const out = this.#out;
    out.setUint32(BODY, DEVICE.INFO_BYTES, true);
    out.setUint32(BODY + 4, DEVICE.FLAGS_RESET | DEVICE.FLAGS_PCI, true);
    out.setUint32(BODY + 8, REGION.COUNT, true);
    out.setUint32(BODY + 12, IRQ.COUNT, true);
    return DEVICE.INFO_BYTES;
  }

  #regionInfo(body: number, length: number): number {
    if (length !== REGION.INFO_BYTES) return this.#refuse('message.payload');
    if (this.#view.getUint32(body, true) < REGION.INFO_BYTES) return this.#refuse('region-info.argsz');
    const index = this.#view.getUint32(body + 8, true);
    if (index >= REGION.COUNT) return this.#refuse('region-info.index');
    const size = this.#regions.sizes[index]!;
    const out = this.#out;
    out.setUint32(BODY, REGION.INFO_BYTES, true);
    out.setUint32(BODY + 4, size > 0 ? REGION.READ_WRITE : 0, true);
    out.setUint32(BODY + 8, index, true);
    out.setUint32(BODY + 12, 0, true);
    out.setUint32(BODY + 16, size, true);
    out.setUint32(BODY + 20, Math.floor(size / TWO_32), true);
    out.setUint32(BODY + 24, 0, true);
    out.setUint32(BODY + 28, 0, true);
    return REGION.INFO_BYTES;
  }

  #irqInfo(body: number, length: number): number {
    if (length !== IRQ.INFO_BYTES) return this.#refuse('message.payload');
    if (this.#view.getUint32(body, true) < IRQ.INFO_BYTES) return this.#refuse('irq-info.argsz');
    const index = this.#view.getUint32(body + 8, true);
    if (index >= IRQ.COUNT) return this.#refuse('irq-info.index');
    const out = this.#out;
    out.setUint32(BODY, IRQ.INFO_BYTES, true);
    out.setUint32(
      BODY + 4,
      index === IRQ.INTX ? IRQ_INFO_FLAGS.INTX : index === IRQ.MSI ? IRQ_INFO_FLAGS.MSI : 0,
      true,
    );
    out.setUint32(BODY + 8, index, true);
    out.setUint32(BODY + 12, index <= IRQ.MSI ? 1 : 0, true);
    return IRQ.INFO_BYTES;
  }

  #setIrqs(body: number, length: number, fdCount: number): number {
    if (length < IRQ.SET_BYTES) return this.#refuse('message.payload');
    const view = this.#view;
    const argsz = view.getUint32(body, true);
    const flags = view.getUint32(body + 4, true);
    const index = view.getUint32(body + 8, true);
    const start = view.getUint32(body + 12, true);
    const count = view.getUint32(body + 16, true);
    if (argsz < IRQ.SET_BYTES || argsz > length) return this.#refuse('set-irqs.argsz');
    const data = flags & IRQ_SET.DATA;
    const action = flags & IRQ_SET.ACTION;
    if ((flags & ~(IRQ_SET.DATA | IRQ_SET.ACTION)) !== 0) return this.#refuse('set-irqs.flags');
    if (data !== IRQ_SET.NONE && data !== IRQ_SET.BOOL && data !== IRQ_SET.EVENTFD) {
      return this.#refuse('set-irqs.flags');
    }
    if (action !== IRQ_SET.MASK && action !== IRQ_SET.UNMASK && action !== IRQ_SET.TRIGGER) {
      return this.#refuse('set-irqs.flags');
    }
    if (index > IRQ.MSI) return this.#refuse('set-irqs.index');
    if (start + count > 1) return this.#refuse('set-irqs.range');
    if (length !== IRQ.SET_BYTES + (data === IRQ_SET.BOOL ? count : 0)) return this.#refuse('message.payload');
    const on = data !== IRQ_SET.BOOL || (count === 1 && view.getUint8(body + IRQ.SET_BYTES) !== 0);
    const rule = this.irqs.set(index, flags, count, on, this.connection.fds, fdCount);
    return rule === null ? 0 : this.#refuse(rule);
  }

  // Memory.

  /** Frame number of a 64-bit byte address or size, or -1 when it is not on a page boundary. */
  #frames(at: number): number {
    const lo = this.#view.getUint32(at, true);
    return (lo & 0xfff) !== 0 ? -1 : this.#view.getUint32(at + 4, true) * 2 ** 20 + (lo >>> 12);
  }

  #dmaMap(body: number, length: number, fdCount: number): number {
    if (length !== DMA.MAP_BYTES) return this.#refuse('message.payload');
    const view = this.#view;
    if (view.getUint32(body, true) < DMA.MAP_BYTES) return this.#refuse('dma-map.argsz');
    const flags = view.getUint32(body + 4, true);
    if (flags === 0 || (flags & ~(DMA.READ | DMA.WRITE)) !== 0) return this.#refuse('dma-map.flags');
    if (fdCount > 1) return this.#refuse('message.descriptors');
    const start = this.#frames(body + 16);
    const frames = this.#frames(body + 24);
    if (start < 0 || frames <= 0 || start + frames > 2 ** 52) return this.#refuse('dma-map.range');
    const fd = fdCount === 1 ? this.connection.fds[1]! : -1;
    const page = fd < 0 ? 0 : this.#frames(body + 8);
    if (page < 0) return this.#refuse('dma-map.offset');
    const rule = this.memory.map(start, frames, fd, page, (flags & DMA.WRITE) !== 0);
    return rule === null ? 0 : this.#refuse(rule);
  }

  #dmaUnmap(body: number, length: number): number {
    if (length !== DMA.UNMAP_BYTES) return this.#refuse('message.payload');
    const view = this.#view;
    if (view.getUint32(body, true) < DMA.UNMAP_BYTES) return this.#refuse('dma-unmap.argsz');
    const flags = view.getUint32(body + 4, true);
    const start = this.#frames(body + 8);
    const frames = this.#frames(body + 16);
    if (flags === DMA.UNMAP_ALL) {
      if (start !== 0 || frames !== 0) return this.#refuse('dma-unmap.range');
      this.memory.clear();
    } else {
      if (flags !== 0) return this.#refuse('dma-unmap.flags');
      if (start < 0 || frames <= 0 || start + frames > 2 ** 52) return this.#refuse('dma-unmap.range');
      const rule = this.memory.unmap(start, frames);
      if (rule !== null) return this.#refuse(rule);
    }
    // The specification wants the request's structure back.
    this.connection.out.set(this.connection.bytes.subarray(body, body + DMA.UNMAP_BYTES), BODY);
    return DMA.UNMAP_BYTES;
  }
}
