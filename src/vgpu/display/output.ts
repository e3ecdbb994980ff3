/**
 * An output of a vGPU: a port with its connector, and the monitor that is plugged into it, or was last. A DP monitor answers on
 * the port's AUX channel, an HDMI monitor on its I2C wires (GMBUS); the guest's driver finds out by asking which one it is.
 */
import { XengtError } from '../../base/index.js';
import { edidFault, type HotplugRow, monitorName, type OutputPort, type Plug, preferredMode } from '../../hw/index.js';
import type { AuxPeer } from './aux-channel.js';
import { Ddc, type DdcState } from './ddc.js';
import { DpSink, type SinkState } from './sink.js';

/** What is to be plugged in, or how; what is left out stays as it is. */
export interface OutputChange {
  readonly connected?: boolean;
  readonly plug?: Plug;
  readonly edid?: Uint8Array;
}

/** What an output is for the operator: a plain value. */
export interface OutputInfo {
  readonly port: OutputPort;
  readonly plug: Plug;
  readonly connected: boolean;
  /** EDID of the monitor, also while it is unplugged. */
  readonly edid: Uint8Array;
  /** What the EDID says: the monitor's name and its preferred mode as a mode line. */
  readonly monitor: string;
  readonly preferred: string;
  /** Pipe that the guest shows on it, null when none. */
  readonly pipe: 'A' | 'B' | 'C' | null;
}

export interface OutputState {
  readonly port: OutputPort;
  readonly plug: Plug;
  readonly connected: boolean;
  readonly edid: readonly number[];
  readonly sink: SinkState;
  readonly ddc: DdcState;
}

export class Output {
  readonly hotplug: HotplugRow;
  readonly sink = new DpSink();
  readonly ddc: Ddc;
  /** As the AUX channel sees it. */
  readonly peer: AuxPeer;
  plug: Plug = 'DP';
  connected = false;
  #edid: Uint8Array;
  /** What the EDID tells, read once: operators ask for it at every look. */
  #told: Pick<OutputInfo, 'monitor' | 'preferred'>;

  constructor(hotplug: HotplugRow, edid: Uint8Array) {
    this.hotplug = hotplug;
    this.#edid = checked(edid, hotplug.port);
    this.#told = told(edid);
    this.ddc = new Ddc(edid);
    this.peer = { sink: this.sink, ddc: this.ddc };
  }

  get port(): OutputPort {
    return this.hotplug.port;
  }

  get edid(): Uint8Array {
    return this.#edid;
  }

  /**
   * @returns whether a guest that looks would find something else than before
   * @throws XengtError XENGT_E_CONFIG for an EDID that is none; nothing has changed then
   */
  change({ connected = this.connected, plug = this.plug, edid = this.#edid }: OutputChange): boolean {
    checked(edid, this.port);
    const same =
      plug === this.plug && edid.length === this.#edid.length && edid.every((byte, i) => byte === this.#edid[i]);
    const noticed = connected !== this.connected || (connected && !same);
    this.connected = connected;
    this.plug = plug;
    // A copy: what was handed in is its owner's to change.
    this.#edid = Uint8Array.from(edid);
    this.ddc.edid = this.#edid;
    this.#told = told(this.#edid);
    if (noticed) this.reset();
    return noticed;
  }

  /** A monitor as after it was plugged in. */
  reset(): void {
    this.sink.reset();
    this.ddc.stop();
  }

  info(pipe: OutputInfo['pipe']): OutputInfo {
    const { port, plug, connected, edid } = this;
    return { port, plug, connected, edid, ...this.#told, pipe };
  }

  save(): OutputState {
    const { port, plug, connected, edid, sink, ddc } = this;
    return { port, plug, connected, edid: [...edid], sink: sink.save(), ddc: ddc.save() };
  }

  restore(state: OutputState): void {
    this.change({ connected: state.connected, plug: state.plug, edid: Uint8Array.from(state.edid) });
    this.sink.restore(state.sink);
    this.ddc.restore(state.ddc);
  }
}

const told = (edid: Uint8Array) => ({ monitor: monitorName(edid), preferred: preferredMode(edid) });

function checked(edid: Uint8Array, port: OutputPort): Uint8Array {
  const fault = edidFault(edid);
  if (fault === null) return edid;
  throw new XengtError('XENGT_E_CONFIG', `The EDID for port ${port} can not be used: ${fault}`);
}
