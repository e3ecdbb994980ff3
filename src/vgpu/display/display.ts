/**
 * The display of one vGPU as its guest sees it: pipes, and outputs that monitors are plugged into and out of.
 * Register values live in the vGPU's bank; what is here is what a register cannot hold.
 */

import type { Frames } from '../../base/index.js';
import { XengtError } from '../../base/index.js';
import {
  DISPLAY_RESET,
  type DisplayEventName,
  HOTPLUG,
  HOTPLUG_LONG,
  type OutputPort,
  PIPE_COUNT,
  PORTS,
  type PortName,
  SDE_ISR,
  SFUSE_FIXED,
  SFUSE_PORT,
  SFUSE_STRAP,
} from '../../hw/index.js';
import { AuxChannels } from './aux-channel.js';
import { PipeCrcs } from './crc.js';
import { Gmbus, type GmbusState } from './gmbus.js';
import { Output, type OutputChange, type OutputInfo, type OutputState } from './output.js';
import { Palettes } from './palettes.js';
import { type PipeState, Pipes } from './pipes.js';
import type { DisplayHost } from './port.js';
import { captureScreen, type Picture } from './scanout.js';
import { portOfTranscoder } from './timing.js';

export interface DisplayOptions {
  /** The monitor of the platform's own port is plugged in from the start. */
  readonly monitor: boolean;
  /** Of that monitor, and of those that other outputs get without being told which. */
  readonly edid: Uint8Array;
  /** DP monitors also answer on the I2C wires of their port (GMBUS), as dual-mode ones do. Default true. */
  readonly ddc?: boolean;
  /** What is plugged in besides, or instead. */
  readonly outputs?: readonly OutputSetup[];
}

export interface OutputSetup extends OutputChange {
  readonly port: OutputPort;
}

export interface DisplayMode {
  readonly width: number;
  readonly height: number;
  readonly refreshHz: number;
}

/** Everything about the display that is not in the register bank: a plain value. */
export interface DisplayState {
  readonly flips: number;
  readonly outputs: readonly OutputState[];
  readonly gmbus: GmbusState;
  readonly pipes: readonly PipeState[];
  readonly palettes: readonly (readonly number[])[];
}

const PIPE_NAMES = ['A', 'B', 'C'] as const;

const HOTPLUG_EVENTS: Readonly<Record<OutputPort, DisplayEventName>> = {
  B: 'HOTPLUG_B',
  C: 'HOTPLUG_C',
  D: 'HOTPLUG_D',
};

export class Display {
  readonly host: DisplayHost;
  readonly pipes: Pipes;
  readonly aux: AuxChannels;
  readonly gmbus: Gmbus;
  readonly outputs: readonly Output[];
  readonly palettes: Palettes;
  readonly #crcs: PipeCrcs;
  /** The output that stands for the vGPU's monitor where none is named. */
  readonly #main: Output;
  #flips = 0;

  /** @throws XengtError XENGT_E_CONFIG for an EDID that is none */
  constructor(host: DisplayHost, options: DisplayOptions) {
    this.host = host;
    this.outputs = HOTPLUG.map((row) => new Output(row, options.edid));
    this.#main = this.#output(host.platform.monitorPort);
    this.#main.change({ connected: options.monitor });
    for (const { port, ...setup } of options.outputs ?? []) this.#output(port).change(setup);
    const wires = options.ddc ?? true;
    this.palettes = new Palettes(host.bank);
    this.#crcs = new PipeCrcs(host, this.palettes);
    this.pipes = new Pipes(host, this.#crcs);
    this.aux = new AuxChannels(host, (port) => {
      const output = this.#pluggedInto(port);
      return output?.plug === 'DP' ? output.peer : null;
    });
    this.gmbus = new Gmbus(host, (port) => {
      const output = this.#pluggedInto(port);
      return output !== null && (wires || output.plug === 'HDMI') ? output.ddc : null;
    });
    this.initRegisters();
  }

  #output(port: OutputPort): Output {
    const output = this.outputs.find((one) => one.port === port);
    if (output !== undefined) return output;
    throw new XengtError('XENGT_E_CONFIG', `There is no output on port ${port}; there are ${this.#ports()}`);
  }

  #ports(): string {
    return this.outputs.map(({ port }) => port).join(', ');
  }

  #pluggedInto(port: PortName): Output | null {
    return this.outputs.find((output) => output.port === port && output.connected) ?? null;
  }

  /** Registers and state after reset: all pipes off, the monitors as they were plugged. */
  initRegisters(): void {
    const { bank, platform } = this.host;
    for (const row of DISPLAY_RESET) if ((row.platforms & platform.bit) !== 0) bank[row.offset >>> 2] = row.value;
    bank[SFUSE_STRAP >>> 2] = this.outputs.reduce((bits, { port }) => bits | SFUSE_PORT[port], SFUSE_FIXED);
    this.pipes.reset();
    this.palettes.reset();
    this.#crcs.reset();
    this.gmbus.reset();
    for (const output of this.outputs) output.reset();
    this.#showLiveState();
  }

  /** Whether the vGPU's own monitor is plugged in, the one that it has without being told. */
  get monitor(): boolean {
    return this.#main.connected;
  }

  /** True when that monitor's receiver is locked to the link. */
  get linkTrained(): boolean {
    return this.#main.connected && this.#main.sink.trained;
  }

  setMonitor(connected: boolean): void {
    this.plug(this.#main.port, { connected });
  }

  /**
   * Plugs a monitor into a port, out of it, or another one instead; the guest learns of it where it has enabled hotplug
   * detection, and looks for itself at what is there.
   * @throws XengtError XENGT_E_CONFIG for an EDID that is none; nothing has changed then
   */
  plug(port: OutputPort, change: OutputChange): void {
    const output = this.#output(port);
    if (!output.change(change)) return;
    this.#showLiveState();
    const { bank } = this.host;
    const { register, enable, statusShift } = output.hotplug;
    if ((bank[register >>> 2]! & enable) === 0) return;
    bank[register >>> 2] = bank[register >>> 2]! | (HOTPLUG_LONG << statusShift);
    this.host.raise(HOTPLUG_EVENTS[port]);
  }

  /** The outputs as an operator sees them. */
  outputInfos(): OutputInfo[] {
    return this.outputs.map((output) => output.info(PIPE_NAMES[this.#pipeOf(output.port)] ?? null));
  }

  /** The pipe that a port is driven by; -1 when none is. */
  #pipeOf(port: OutputPort): number {
    for (let pipe = 0; pipe < PIPE_COUNT; pipe++) {
      const transcoder = this.pipes.transcoder(pipe);
      if (transcoder >= 0 && PORTS[portOfTranscoder(this.host.bank, transcoder)] === port) return pipe;
    }
    return -1;
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

  /** The guest wants CRCs of the pipe's pictures, of another source, or no longer. */
  crcConfigured(pipe: number): void {
    this.#crcs.configured(pipe);
    this.pipes.rearm();
  }

  /** CRC of what the pipe shows. */
  crc(pipe: number): number {
    const crc = this.#crcs.result(pipe, this.pipes.frameCount(pipe));
    this.pipes.crcTaken(pipe);
    return crc;
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
    return pipe < 0 ? null : captureScreen(this.host, frames, pipe, this.palettes.of(pipe));
  }

  save(): DisplayState {
    return {
      flips: this.#flips,
      outputs: this.outputs.map((output) => output.save()),
      gmbus: this.gmbus.save(),
      pipes: this.pipes.save(),
      palettes: this.palettes.save(),
    };
  }

  /** Takes back a saved state; the bank must have been restored before. */
  restore(state: DisplayState): void {
    this.#flips = state.flips;
    for (const saved of state.outputs) this.#output(saved.port).restore(saved);
    this.gmbus.restore(state.gmbus);
    this.palettes.restore(state.palettes);
    this.pipes.restore(state.pipes);
  }

  #showLiveState(): void {
    const { bank } = this.host;
    for (const { hotplug, connected } of this.outputs) {
      const { live } = hotplug;
      bank[SDE_ISR >>> 2] = connected ? bank[SDE_ISR >>> 2]! | live : bank[SDE_ISR >>> 2]! & ~live;
    }
  }
}
