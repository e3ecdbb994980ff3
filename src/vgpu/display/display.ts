/**
 * The display of one vGPU as its guest sees it: pipes, ports, and a DisplayPort monitor that can be plugged in and out.
 * Register values live in the vGPU's bank; what is here is what a register cannot hold.
 */

import type { Frames } from '../../base/index.js';
import { XengtError } from '../../base/index.js';
import {
  DISPLAY_RESET,
  type DisplayEventName,
  edidIsValid,
  HOTPLUG,
  HOTPLUG_LONG,
  type HotplugRow,
  type PortName,
  SDE_ISR,
  SFUSE_FIXED,
  SFUSE_PORT,
  SFUSE_STRAP,
} from '../../hw/index.js';
import { AuxChannels, type AuxPeer } from './aux-channel.js';
import { Ddc, type DdcState } from './ddc.js';
import { Gmbus, type GmbusState } from './gmbus.js';
import { type PipeState, Pipes } from './pipes.js';
import type { DisplayHost } from './port.js';
import { captureScreen, type Picture } from './scanout.js';
import { DpSink, type SinkState } from './sink.js';

export interface DisplayOptions {
  /** The monitor is plugged in from the start. */
  readonly monitor: boolean;
  readonly edid: Uint8Array;
  /** The monitor also answers on the I2C wires of its port (GMBUS), as a dual-mode one does. Default true. */
  readonly ddc?: boolean;
}

export interface DisplayMode {
  readonly width: number;
  readonly height: number;
  readonly refreshHz: number;
}

/** Everything about the display that is not in the register bank: a plain value. */
export interface DisplayState {
  readonly monitor: boolean;
  readonly flips: number;
  readonly sink: SinkState;
  readonly ddc: DdcState;
  readonly gmbus: GmbusState;
  readonly pipes: readonly PipeState[];
}

const HOTPLUG_EVENTS: Readonly<Partial<Record<PortName, DisplayEventName>>> = {
  B: 'HOTPLUG_B',
  C: 'HOTPLUG_C',
  D: 'HOTPLUG_D',
};

export class Display {
  readonly host: DisplayHost;
  readonly pipes: Pipes;
  readonly aux: AuxChannels;
  readonly gmbus: Gmbus;
  /** Port that the monitor is plugged into. */
  readonly monitorPort: PortName;
  readonly #sink = new DpSink();
  readonly #ddc: Ddc;
  readonly #hotplug: HotplugRow;
  readonly #peer: AuxPeer;
  #monitor: boolean;
  #flips = 0;

  constructor(host: DisplayHost, options: DisplayOptions) {
    if (!edidIsValid(options.edid))
      throw new XengtError('XENGT_E_CONFIG', 'The EDID is not made of valid 128-byte blocks.');
    this.host = host;
    this.monitorPort = host.platform.monitorPort;
    const hotplug = HOTPLUG.find((row) => row.port === this.monitorPort);
    if (hotplug === undefined) throw new XengtError('XENGT_E_TABLE', `Port ${this.monitorPort} has no hotplug row.`);
    this.#hotplug = hotplug;
    this.#monitor = options.monitor;
    this.#ddc = new Ddc(options.edid);
    this.#peer = { sink: this.#sink, ddc: this.#ddc };
    const wires = options.ddc ?? true;
    const pluggedInto = (port: PortName): boolean => this.#monitor && port === this.monitorPort;
    this.pipes = new Pipes(host);
    this.aux = new AuxChannels(host, (port) => (pluggedInto(port) ? this.#peer : null));
    this.gmbus = new Gmbus(host, (port) => (wires && pluggedInto(port) ? this.#ddc : null));
    this.initRegisters();
  }

  /** Registers and state after reset: all pipes off, the monitor as it was plugged. */
  initRegisters(): void {
    const { bank, platform } = this.host;
    for (const row of DISPLAY_RESET) if ((row.platforms & platform.bit) !== 0) bank[row.offset >>> 2] = row.value;
    bank[SFUSE_STRAP >>> 2] = SFUSE_FIXED | (SFUSE_PORT[this.monitorPort] ?? 0);
    this.pipes.reset();
    this.gmbus.reset();
    this.#ddc.stop();
    this.#sink.reset();
    this.#showLiveState();
  }

  get monitor(): boolean {
    return this.#monitor;
  }

  /** True when the monitor's receiver is locked to the link. */
  get linkTrained(): boolean {
    return this.#monitor && this.#sink.trained;
  }

  /** Plugs or unplugs the monitor; the guest learns of it where it has enabled hotplug detection. */
  setMonitor(connected: boolean): void {
    if (connected === this.#monitor) return;
    this.#monitor = connected;
    this.#sink.reset();
    this.#ddc.stop();
    this.#showLiveState();
    const { bank } = this.host;
    const { register, enable, statusShift, port } = this.#hotplug;
    if ((bank[register >>> 2]! & enable) === 0) return;
    bank[register >>> 2] = bank[register >>> 2]! | (HOTPLUG_LONG << statusShift);
    const event = HOTPLUG_EVENTS[port];
    if (event !== undefined) this.host.raise(event);
  }

  /** When `advance` is next needed; NEVER while no interrupt could come of it. */
  nextDue(): number {
    return this.pipes.nextDue();
  }

  advance(now: number): void {
    this.pipes.advance(now);
  }

  /** The guest changed what interrupts it wants: vblanks may matter now, or no longer. */
  interruptMasksChanged(): void {
    this.pipes.rearm();
  }

  /** A new surface address on a plane of `pipe`. */
  flip(pipe: number, primary: boolean, async: boolean): void {
    this.#flips++;
    this.pipes.flip(pipe, primary, async);
  }

  /** Frames scanned out so far. */
  get frames(): number {
    return this.pipes.framesShown;
  }

  get flips(): number {
    return this.#flips;
  }

  /** Mode of the first active pipe; null when nothing is shown. */
  mode(): DisplayMode | null {
    const timing = this.pipes.timing(this.pipes.active);
    if (timing === null) return null;
    const refreshHz = Math.round(1e11 / timing.period) / 100;
    return { width: timing.width, height: timing.height, refreshHz };
  }

  /** The picture on the first active pipe; null when nothing is shown or its format is not known. */
  capture(frames: Frames): Picture | null {
    const pipe = this.pipes.active;
    return pipe < 0 ? null : captureScreen(this.host, frames, pipe);
  }

  save(): DisplayState {
    return {
      monitor: this.#monitor,
      flips: this.#flips,
      sink: this.#sink.save(),
      ddc: this.#ddc.save(),
      gmbus: this.gmbus.save(),
      pipes: this.pipes.save(),
    };
  }

  /** Takes back a saved state; the bank must have been restored before. */
  restore(state: DisplayState): void {
    this.#monitor = state.monitor;
    this.#flips = state.flips;
    this.#sink.restore(state.sink);
    this.#ddc.restore(state.ddc);
    this.gmbus.restore(state.gmbus);
    this.pipes.restore(state.pipes);
  }

  #showLiveState(): void {
    const { bank } = this.host;
    const { live } = this.#hotplug;
    bank[SDE_ISR >>> 2] = this.#monitor ? bank[SDE_ISR >>> 2]! | live : bank[SDE_ISR >>> 2]! & ~live;
  }
}
