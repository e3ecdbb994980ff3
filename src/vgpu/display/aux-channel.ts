/**
 * The DisplayPort AUX channels: a write of the control register with SEND_BUSY carries out the transaction in the data
 * registers, at once.
 * Source: PRM SKL Vol 2c DDI_AUX_CTL/DDI_AUX_DATA; VESA DisplayPort 1.2 section 2.7 "AUX transaction syntax".
 */
import { AUX, DDI, type DisplayEventName, PCH_AUX_CTL_A, PORT_STRIDE, PORTS, type PortName } from '../../hw/index.js';
import type { Ddc } from './ddc.js';
import type { DisplayHost } from './port.js';
import type { DpSink } from './sink.js';

const AUX_EVENTS: readonly DisplayEventName[] = ['AUX_A', 'AUX_B', 'AUX_C', 'AUX_D'];

/** Requests, the top four bits of the first byte. */
const NATIVE_WRITE = 8;
const NATIVE_READ = 9;
const I2C_REQUEST = 3;
const I2C_WRITE = 0;
const I2C_READ = 1;
const I2C_STATUS = 2;
const I2C_MIDDLE_OF_TRANSACTION = 4;

/** Replies, the first byte. */
const ACK = 0x00;
const NATIVE_NAK = 0x10;
const I2C_NAK = 0x40;

const HEADER_BYTES = 4;
/** Bits of the control register that a write of one clears. */
const STICKY = AUX.DONE | AUX.TIMEOUT | AUX.RECEIVE_ERROR;

/** What is at the far end of a channel: the monitor, or null where nothing is plugged in. */
export interface AuxPeer {
  readonly sink: DpSink;
  readonly ddc: Ddc;
}

export class AuxChannels {
  readonly #host: DisplayHost;
  readonly #peerOf: (port: PortName) => AuxPeer | null;
  readonly #request = new Uint8Array(AUX.DATA_BYTES);
  readonly #reply = new Uint8Array(AUX.DATA_BYTES);
  /** Bytes that were sent; an address-only I2C request has no length byte. */
  #requestBytes = 0;
  #replyBytes = 0;

  constructor(host: DisplayHost, peerOf: (port: PortName) => AuxPeer | null) {
    this.#host = host;
    this.#peerOf = peerOf;
  }

  /** A write to a channel's control register or to one of its five data registers. */
  write(offset: number, value: number): void {
    const bank = this.#host.bank;
    if ((offset & 0xff) !== (DDI.AUX_CTL & 0xff)) {
      bank[offset >>> 2] = value;
      return;
    }
    const channel = (offset - (offset >= PCH_AUX_CTL_A ? PCH_AUX_CTL_A : DDI.AUX_CTL)) / PORT_STRIDE;
    const sticky = bank[offset >>> 2]! & STICKY & ~value;
    const kept = value & ~(STICKY | AUX.SEND_BUSY);
    if ((value & AUX.SEND_BUSY) === 0) {
      bank[offset >>> 2] = kept | sticky;
      return;
    }
    const port = PORTS[channel];
    const peer = port === undefined ? null : this.#peerOf(port);
    if (peer === null) {
      bank[offset >>> 2] = kept | AUX.DONE | AUX.TIMEOUT;
    } else {
      this.#receive(offset, (value & AUX.SIZE_MASK) >>> AUX.SIZE_SHIFT);
      this.#transact(peer);
      this.#send(offset);
      bank[offset >>> 2] = (kept & ~AUX.SIZE_MASK) | AUX.DONE | (this.#replyBytes << AUX.SIZE_SHIFT);
    }
    const event = AUX_EVENTS[channel];
    if ((value & AUX.INTERRUPT) !== 0 && event !== undefined) this.#host.raise(event);
  }

  #receive(control: number, bytes: number): void {
    const bank = this.#host.bank;
    this.#request.fill(0);
    const limit = Math.min(bytes, AUX.DATA_BYTES);
    for (let i = 0; i < limit; i++) {
      this.#request[i] = bank[(control >>> 2) + 1 + (i >> 2)]! >>> (24 - 8 * (i & 3));
    }
    this.#requestBytes = limit;
  }

  #send(control: number): void {
    const bank = this.#host.bank;
    for (let word = 0; word * 4 < this.#replyBytes; word++) {
      let value = 0;
      for (let i = 0; i < 4; i++)
        value = (value << 8) | (word * 4 + i < this.#replyBytes ? this.#reply[word * 4 + i]! : 0);
      bank[(control >>> 2) + 1 + word] = value;
    }
  }

  #answer(code: number): void {
    this.#reply[0] = code;
    this.#replyBytes = 1;
  }

  #transact(peer: AuxPeer): void {
    const request = this.#request;
    const command = request[0]! >> 4;
    const address = ((request[0]! & 0xf) << 16) | (request[1]! << 8) | request[2]!;
    // the payload of a write cannot be longer than what was sent, that of a read no longer than the reply registers
    const length = this.#requestBytes < HEADER_BYTES ? 0 : Math.min(request[3]! + 1, AUX.DATA_BYTES - HEADER_BYTES);
    if (command === NATIVE_READ) this.#nativeRead(peer.sink, address, length);
    else if (command === NATIVE_WRITE) this.#nativeWrite(peer.sink, address, length);
    else if (command < NATIVE_WRITE) this.#i2c(peer.ddc, command, address & 0x7f, length);
    else this.#answer(NATIVE_NAK);
  }

  #nativeRead(sink: DpSink, address: number, length: number): void {
    this.#answer(ACK);
    for (let i = 0; i < length; i++) this.#reply[this.#replyBytes++] = sink.read(address + i);
  }

  #nativeWrite(sink: DpSink, address: number, length: number): void {
    const sent = Math.min(length, this.#requestBytes - HEADER_BYTES);
    for (let i = 0; i < sent; i++) {
      if (sink.write(address + i, this.#request[HEADER_BYTES + i]!)) continue;
      this.#answer(NATIVE_NAK);
      // how many bytes were taken
      this.#reply[this.#replyBytes++] = i;
      return;
    }
    this.#answer(ACK);
  }

  #i2c(ddc: Ddc, command: number, slave: number, length: number): void {
    const request = command & I2C_REQUEST;
    const stops = (command & I2C_MIDDLE_OF_TRANSACTION) === 0;
    if (request === I2C_STATUS) {
      this.#answer(ACK);
    } else if (request > I2C_STATUS) {
      this.#answer(I2C_NAK);
    } else if (length === 0 && stops) {
      // address only and no more to come: ends the transaction
      this.#answer(ACK);
    } else if (!ddc.start(slave)) {
      this.#answer(I2C_NAK);
    } else {
      this.#answer(ACK);
      if (request === I2C_READ) for (let i = 0; i < length; i++) this.#reply[this.#replyBytes++] = ddc.read();
      const sent = request === I2C_WRITE ? Math.min(length, this.#requestBytes - HEADER_BYTES) : 0;
      for (let i = 0; i < sent; i++) ddc.write(this.#request[HEADER_BYTES + i]!);
    }
    if (stops) ddc.stop();
  }
}
