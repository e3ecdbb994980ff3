/**
 * PCI configuration space of one vGPU. Bytes with masks do almost everything: a BAR's size shows because its low bits cannot
 * be written, so that sizing needs no special case. What else a write causes is told to the vGPU by events, after the
 * whole access has landed.
 */
import { XengtError } from '../base/index.js';
import {
  COMMAND_INTX_DISABLE,
  COMMAND_MASTER,
  COMMAND_MEMORY,
  GMCH_CTL_GEN7,
  MSI_ENABLE,
  PCI,
  PCI_BARS,
  PCI_CONFIG_BYTES,
  PCI_CONFIG_ROWS,
  type Platform,
  PMCSR_STATE,
  POWER_D3HOT,
  STATUS_INTERRUPT,
  SWSCI_SELECT,
  SWSCI_TRIGGER,
} from '../hw/index.js';

export interface PciConfigOptions {
  readonly platform: Platform;
  /** Size of the whole device's aperture: what BAR2 shows, whatever part of it is the vGPU's. */
  readonly apertureBytes: number;
}

/** All optional: an adapter whose VMM handles BARs itself needs few. */
export interface PciConfigEvents {
  /** BAR0 and BAR2 began or ceased to be decoded. */
  onMemoryDecode?(enabled: boolean): void;
  /** While decoded, a BAR has a new guest address; also told just before decoding begins. */
  onBarMoved?(bar: 0 | 2, address: number): void;
  /** The message changed while enabled, or was switched on or off. */
  onMsi?(enabled: boolean, address: number, data: number): void;
  /** The guest's firmware says where its OpRegion is; 0: nowhere. */
  onAsls?(gpa: number): void;
  /** The guest calls through the OpRegion. */
  onSwsci?(): void;
  /** Power state 0 (D0) to 3 (D3hot). */
  onPower?(state: number): void;
}

export interface PciConfigSnapshot {
  readonly space: Uint8Array;
  readonly d3Entered: boolean;
}

/** What a byte belongs to, where its change has consequences. */
const MAPPING = 1;
const MSI = 2;
const POWER = 4;
const SWSCI = 8;
const ASLS = 16;

/** Compiled from the rows: per byte, the value after reset, writable bits, write-1-to-clear bits, consequences. */
interface Layout {
  readonly reset: Uint8Array;
  readonly writable: Uint8Array;
  readonly w1c: Uint8Array;
  readonly effects: Uint8Array;
}

export class PciConfig {
  /** High dword of the last 8-byte read. */
  readHi = 0;
  /** Refused accesses by rule. */
  readonly refused = { 'config-access': 0 };
  /** The interrupt message as programmed. */
  readonly msi = { enabled: false, address: 0, data: 0 };
  /** The guest has put the device into D3hot: a reset that follows is part of a resume and keeps its page tables. */
  d3Entered = false;

  readonly #layout: Layout;
  readonly #events: PciConfigEvents;
  readonly #space: Uint8Array;
  /** What the events have told so far. */
  #decoding = false;
  readonly #told: number[] = [];
  #power = 0;
  #swsci = 0;
  #asls = 0;

  constructor(options: PciConfigOptions, events: PciConfigEvents = {}) {
    this.#layout = compile(options);
    this.#events = events;
    this.#space = this.#layout.reset.slice();
  }

  get memoryDecode(): boolean {
    return (this.#word(PCI.COMMAND) & COMMAND_MEMORY) !== 0;
  }

  get busMaster(): boolean {
    return (this.#word(PCI.COMMAND) & COMMAND_MASTER) !== 0;
  }

  get intxDisabled(): boolean {
    return (this.#word(PCI.COMMAND) & COMMAND_INTX_DISABLE) !== 0;
  }

  /** Guest address that a BAR is programmed to, decoded or not. */
  barAddress(bar: 0 | 2): number {
    const offset = bar === 0 ? PCI.BAR0 : PCI.BAR2;
    return this.#dword(offset + 4) * 2 ** 32 + ((this.#dword(offset) & ~0xf) >>> 0);
  }

  /** The legacy line's state, as STATUS shows it. */
  setInterruptStatus(asserted: boolean): void {
    const status = this.#space[PCI.STATUS]!;
    this.#space[PCI.STATUS] = asserted ? status | STATUS_INTERRUPT : status & ~STATUS_INTERRUPT;
  }

  #word(offset: number): number {
    return this.#space[offset]! | (this.#space[offset + 1]! << 8);
  }

  #dword(offset: number): number {
    return (this.#word(offset) | (this.#word(offset + 2) << 16)) >>> 0;
  }

  /** 1, 2, 4 or 8 bytes, naturally aligned, within the space. */
  #decodes(offset: number, bytes: number): boolean {
    const width = bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8;
    if (width && offset >= 0 && offset % bytes === 0 && offset + bytes <= PCI_CONFIG_BYTES) return true;
    this.refused['config-access']++;
    return false;
  }

  /** @returns the low 32 bits; those above are in `readHi` */
  read(offset: number, bytes: number): number {
    this.readHi = 0;
    if (!this.#decodes(offset, bytes)) return 0;
    if (bytes === 1) return this.#space[offset]!;
    if (bytes === 2) return this.#word(offset);
    if (bytes === 8) this.readHi = this.#dword(offset + 4);
    return this.#dword(offset);
  }

  write(offset: number, bytes: number, lo: number, hi = 0): void {
    if (!this.#decodes(offset, bytes)) return;
    const { writable, w1c, effects } = this.#layout;
    let touched = 0;
    for (let i = 0; i < bytes; i++) {
      const at = offset + i;
      const value = (i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4))) & 0xff;
      const mask = writable[at]!;
      this.#space[at] = ((this.#space[at]! & ~mask) | (value & mask)) & ~(value & w1c[at]!);
      touched |= effects[at]!;
    }
    if (touched !== 0) this.#follow(touched);
  }

  /** Tells what has changed of the things that a write touched. */
  #follow(touched: number): void {
    if ((touched & MAPPING) !== 0) this.#followMapping();
    if ((touched & MSI) !== 0) this.#followMsi();
    if ((touched & POWER) !== 0) this.#followPower();
    if ((touched & SWSCI) !== 0) this.#followSwsci();
    if ((touched & ASLS) !== 0) this.#followAsls();
  }

  #followMapping(): void {
    const decoding = this.memoryDecode;
    if (decoding) {
      for (const { bar } of PCI_BARS) {
        const address = this.barAddress(bar);
        if (this.#decoding && this.#told[bar] === address) continue;
        this.#told[bar] = address;
        this.#events.onBarMoved?.(bar, address);
      }
    }
    if (decoding === this.#decoding) return;
    this.#decoding = decoding;
    this.#events.onMemoryDecode?.(decoding);
  }

  #followMsi(): void {
    const { msi } = this;
    const enabled = (this.#word(PCI.MSI_CONTROL) & MSI_ENABLE) !== 0;
    const address = this.#dword(PCI.MSI_ADDRESS);
    const data = this.#word(PCI.MSI_DATA);
    const changed = enabled ? !msi.enabled || msi.address !== address || msi.data !== data : msi.enabled;
    msi.enabled = enabled;
    msi.address = address;
    msi.data = data;
    if (changed) this.#events.onMsi?.(enabled, address, data);
  }

  #followPower(): void {
    const state = this.#word(PCI.PMCSR) & PMCSR_STATE;
    if (state === this.#power) return;
    this.#power = state;
    if (state === POWER_D3HOT) this.d3Entered = true;
    this.#events.onPower?.(state);
  }

  /** Only a rise of the trigger, with SCI selected, is a call. */
  #followSwsci(): void {
    const before = this.#swsci;
    this.#swsci = this.#word(PCI.SWSCI);
    const rises = (this.#swsci & ~before & SWSCI_TRIGGER) !== 0;
    if (rises && (this.#swsci & SWSCI_SELECT) !== 0) this.#events.onSwsci?.();
  }

  #followAsls(): void {
    const gpa = this.#dword(PCI.ASLS);
    if (gpa === this.#asls) return;
    this.#asls = gpa;
    this.#events.onAsls?.(gpa);
  }

  /** Function reset: all as made; `d3Entered` stays, for it says what kind of reset this is. */
  reset(): void {
    this.#space.set(this.#layout.reset);
    this.#resume();
  }

  save(): PciConfigSnapshot {
    return { space: this.#space.slice(), d3Entered: this.d3Entered };
  }

  /** Takes over a saved space. Mapping, message and power are told where they differ; calls and ASLS are not made again. */
  restore(state: PciConfigSnapshot): void {
    if (state.space.length !== PCI_CONFIG_BYTES) {
      throw new XengtError('XENGT_E_JOURNAL', `saved configuration space has ${state.space.length} bytes, not 256`);
    }
    this.#space.set(state.space);
    this.#resume();
    this.d3Entered = state.d3Entered;
  }

  #resume(): void {
    this.#swsci = this.#word(PCI.SWSCI);
    this.#asls = this.#dword(PCI.ASLS);
    const { d3Entered } = this;
    this.#follow(MAPPING | MSI | POWER);
    this.d3Entered = d3Entered;
  }
}

/** @throws XengtError XENGT_E_CONFIG for an aperture that is no BAR size */
function compile({ platform, apertureBytes }: PciConfigOptions): Layout {
  const megabytes = apertureBytes / 0x10_0000;
  if (!Number.isInteger(Math.log2(megabytes)) || megabytes < 1 || megabytes > 4096) {
    throw new XengtError('XENGT_E_CONFIG', `aperture: ${megabytes} MiB is not a power of two from 1 to 4096`);
  }
  const layout = {
    reset: new Uint8Array(PCI_CONFIG_BYTES),
    writable: new Uint8Array(PCI_CONFIG_BYTES),
    w1c: new Uint8Array(PCI_CONFIG_BYTES),
    effects: new Uint8Array(PCI_CONFIG_BYTES),
  };
  const put = (into: Uint8Array, offset: number, bytes: number, value: number): void => {
    for (let i = 0; i < bytes; i++) into[offset + i] = value >>> (8 * i);
  };
  for (const { offset, bytes, reset = 0, writable = 0, w1c = 0 } of PCI_CONFIG_ROWS) {
    put(layout.reset, offset, bytes, reset);
    put(layout.writable, offset, bytes, writable);
    put(layout.w1c, offset, bytes, w1c);
  }
  put(layout.reset, PCI.DEVICE, 2, platform.deviceId);
  put(layout.reset, PCI.REVISION, 1, platform.revision);
  if (platform.gen === 7) put(layout.reset, PCI.GMCH_CTL, 2, GMCH_CTL_GEN7);
  for (const { bar, offset, type } of PCI_BARS) {
    const size = bar === 0 ? platform.bar0Bytes : apertureBytes;
    put(layout.reset, offset, 4, type);
    put(layout.writable, offset, 4, ~(size - 1));
    put(layout.writable, offset + 4, 4, 0xffffffff);
    layout.effects.fill(MAPPING, offset, offset + 8);
  }
  layout.effects.fill(MAPPING, PCI.COMMAND, PCI.COMMAND + 2);
  layout.effects.fill(MSI, PCI.MSI_CONTROL, PCI.MSI_DATA + 2);
  layout.effects.fill(POWER, PCI.PMCSR, PCI.PMCSR + 2);
  layout.effects.fill(SWSCI, PCI.SWSCI, PCI.SWSCI + 2);
  layout.effects.fill(ASLS, PCI.ASLS, PCI.ASLS + 4);
  return layout;
}
