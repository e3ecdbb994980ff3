/**
 * The DisplayPort receiver of the virtual monitor: its DPCD and the state of its link.
 * Source: VESA DisplayPort 1.2, section 2.9.3 "DPCD field address mapping" and 3.5.1 "link training".
 */

const DPCD_BYTES = 0x1000;

/** Receiver capabilities: DPCD 1.2, HBR2 (20 x 0.27 Gbps), 4 lanes with TPS3 and enhanced framing, 8b/10b. */
const CAPABILITIES: readonly (readonly [address: number, value: number])[] = [
  [0x000, 0x12],
  [0x001, 0x14],
  [0x002, 0xc4],
  // one receiver port, with local EDID
  [0x004, 0x01],
  [0x006, 0x01],
  [0x008, 0x02],
  // one sink device
  [0x200, 0x01],
];

const LINK_BW_SET = 0x100;
const LANE_COUNT_SET = 0x101;
const TRAINING_PATTERN_SET = 0x102;
const SERVICE_IRQ_VECTOR = 0x201;
const LANE0_1_STATUS = 0x202;
const LANE2_3_STATUS = 0x203;
const LANE_ALIGN_STATUS = 0x204;
const SINK_STATUS = 0x205;
const SET_POWER = 0x600;
const POWER_MASK = 7;
const POWER_D0 = 1;

/** Event status indicator: 0x2002..0x200f mirror 0x200.. of the old field (DP 1.2 table 2-75). */
const ESI_FIRST = 0x2002;
const ESI: Readonly<Record<number, number>> = {
  8194: 0x200,
  8195: SERVICE_IRQ_VECTOR,
  8204: LANE0_1_STATUS,
  8205: LANE2_3_STATUS,
  8206: LANE_ALIGN_STATUS,
  8207: SINK_STATUS,
};
const ESI_LAST = 0x200f;

const CR_DONE = 1;
/** Clock recovery, channel equalisation and symbol lock of one lane. */
const LANE_TRAINED = 7;

export interface SinkState {
  readonly dpcd: readonly number[];
  readonly clockRecovered: boolean;
  readonly equalised: boolean;
}

export class DpSink {
  readonly #dpcd = new Uint8Array(DPCD_BYTES);
  #clockRecovered = false;
  #equalised = false;

  constructor() {
    this.reset();
  }

  /** As after power-on. */
  reset(): void {
    this.#dpcd.fill(0);
    for (const [address, value] of CAPABILITIES) this.#dpcd[address] = value;
    this.#dpcd[SET_POWER] = POWER_D0;
    this.#untrain();
  }

  /** True when the link carries a picture: trained on the lanes that were set. */
  get trained(): boolean {
    return this.#equalised;
  }

  /** A byte of the DPCD; what is reserved reads as zero. */
  read(address: number): number {
    if (address >= ESI_FIRST && address <= ESI_LAST) address = ESI[address] ?? DPCD_BYTES;
    if (address >= DPCD_BYTES) return 0;
    switch (address) {
      case LANE0_1_STATUS:
        return this.#laneStatus(0) | (this.#laneStatus(1) << 4);
      case LANE2_3_STATUS:
        return this.#laneStatus(2) | (this.#laneStatus(3) << 4);
      case LANE_ALIGN_STATUS:
      case SINK_STATUS:
        return this.#equalised ? 1 : 0;
      default:
        return this.#dpcd[address]!;
    }
  }

  /** @returns false where the DPCD cannot be written, which the AUX channel answers with a NAK */
  write(address: number, value: number): boolean {
    if (address === 0x2003) address = SERVICE_IRQ_VECTOR;
    if (address === SERVICE_IRQ_VECTOR) {
      this.#dpcd[address] = this.#dpcd[address]! & ~value;
      return true;
    }
    // link configuration, source-specific field, power
    const writable =
      (address >= 0x100 && address < 0x200) || (address >= 0x300 && address < 0x400) || address === SET_POWER;
    if (!writable) return false;
    this.#dpcd[address] = value;
    switch (address) {
      case LINK_BW_SET:
      case LANE_COUNT_SET:
        this.#untrain();
        break;
      case SET_POWER:
        if ((value & POWER_MASK) !== POWER_D0) this.#untrain();
        break;
      case TRAINING_PATTERN_SET:
        this.#train(value & 3);
        break;
    }
    return true;
  }

  save(): SinkState {
    return { dpcd: [...this.#dpcd], clockRecovered: this.#clockRecovered, equalised: this.#equalised };
  }

  restore(state: SinkState): void {
    this.#dpcd.set(state.dpcd);
    this.#clockRecovered = state.clockRecovered;
    this.#equalised = state.equalised;
  }

  /** The channel is perfect: each phase succeeds at the drive levels that it starts with. */
  #train(pattern: number): void {
    if (pattern === 1) {
      this.#clockRecovered = this.#linkIsPossible();
      this.#equalised = false;
    } else if (pattern === 2 || pattern === 3) {
      this.#equalised = this.#clockRecovered;
    }
  }

  #untrain(): void {
    this.#clockRecovered = false;
    this.#equalised = false;
  }

  #lanes(): number {
    return this.#dpcd[LANE_COUNT_SET]! & 0x1f;
  }

  #linkIsPossible(): boolean {
    const rate = this.#dpcd[LINK_BW_SET]!;
    const lanes = this.#lanes();
    return (rate === 0x06 || rate === 0x0a || rate === 0x14) && (lanes === 1 || lanes === 2 || lanes === 4);
  }

  #laneStatus(lane: number): number {
    if (lane >= this.#lanes()) return 0;
    if (this.#equalised) return LANE_TRAINED;
    return this.#clockRecovered ? CR_DONE : 0;
  }
}
