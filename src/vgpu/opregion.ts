/**
 * The OpRegion of a vGPU: 8 KiB in guest RAM through which firmware tells a driver about outputs (the VBT) and takes calls
 * (SWSCI). Firmware reserves the memory and writes its address to ASLS; only then is the OpRegion put there.
 *
 * Where no firmware does so (QEMU's vfio-user device, direct boot), ASLS stays zero. i915 then reports that there is no
 * OpRegion and takes its built-in defaults, which have DP on DDI B to D: the virtual monitor works either way.
 */
import { type Frames, PAGE_SIZE, read32, write32 } from '../base/index.js';
import {
  BDB_HEADER,
  BDB_VERSION,
  BLOCK_HEADER,
  BLOCK_ID,
  CHILD_DEVICE,
  CHILD_DEVICES,
  DRIVER_FEATURES,
  GENERAL_DEFINITIONS,
  GENERAL_FEATURES,
  LID_OPEN,
  OPREGION,
  OPREGION_BYTES,
  OPREGION_HEADER,
  OPREGION_HEADER_VALUES,
  type Platform,
  putStruct,
  SCIC_CAPABILITY_QUERIES,
  SCIC_EXIT,
  SCIC_WAITING,
  scicFunction,
  scicSubfunction,
  structBytes,
  structOffset,
  VBT_HEADER,
  VBT_VERSION,
} from '../hw/index.js';

export class OpRegion {
  /** Where it is in guest memory, 0: nowhere. Part of the vGPU's state. */
  gpa = 0;
  /** Refused guest actions by rule. */
  readonly refused = { 'opregion-address': 0, 'swsci-call': 0 };
  readonly #contents: Uint32Array;

  constructor(platform: Platform) {
    this.#contents = new Uint32Array(OpRegion.build(platform).buffer);
  }

  /** The OpRegion as firmware would leave it. */
  static build(platform: Platform): Uint8Array {
    const region = new Uint8Array(OPREGION_BYTES);
    putStruct(region, 0, OPREGION_HEADER, OPREGION_HEADER_VALUES);
    region[OPREGION.CLID] = LID_OPEN;
    region.set(buildVbt(platform), OPREGION.VBT);
    return region;
  }

  /**
   * ASLS was written: puts the OpRegion into guest memory there. An address that is not page-aligned guest RAM throughout
   * is counted and leaves the guest without OpRegion, as zero does without being counted.
   * @returns whether the guest has an OpRegion now
   */
  place(memory: Frames, gpa: number): boolean {
    this.gpa = 0;
    if (gpa === 0) return false;
    if (!isRam(memory, gpa)) {
      this.refused['opregion-address']++;
      return false;
    }
    for (let i = 0; i < this.#contents.length; i++) write32(memory, gpa + 4 * i, this.#contents[i]!);
    this.gpa = gpa;
    return true;
  }

  /**
   * Answers a call. Asked what can be called: nothing. Anything else has failed: exit status 0. Either way the caller is
   * not left waiting.
   */
  serveSwsci(memory: Frames): void {
    const { gpa } = this;
    if (gpa === 0) {
      this.refused['swsci-call']++;
      return;
    }
    const scic = read32(memory, gpa + OPREGION.SCIC);
    const asked = SCIC_CAPABILITY_QUERIES.some(
      ([call, sub]) => call === scicFunction(scic) && sub === scicSubfunction(scic),
    );
    if (asked) {
      write32(memory, gpa + OPREGION.PARM, 0);
      write32(memory, gpa + OPREGION.SCIC, 0);
      return;
    }
    this.refused['swsci-call']++;
    write32(memory, gpa + OPREGION.SCIC, (scic & ~(SCIC_EXIT | SCIC_WAITING)) >>> 0);
  }

  /** Device reset: ASLS is zero again. */
  reset(): void {
    this.gpa = 0;
  }
}

function isRam(memory: Frames, gpa: number): boolean {
  if (gpa % PAGE_SIZE !== 0) return false;
  for (let at = 0; at < OPREGION_BYTES; at += PAGE_SIZE) if (memory.locate((gpa + at) / PAGE_SIZE) < 0) return false;
  return true;
}

/** A VBT with the outputs that a vGPU has, and defaults for everything else. */
export function buildVbt(platform: Platform): Uint8Array {
  const children = CHILD_DEVICES.length * structBytes(CHILD_DEVICE);
  const blocks = [
    { id: BLOCK_ID.GENERAL_FEATURES, bytes: structBytes(GENERAL_FEATURES) },
    { id: BLOCK_ID.GENERAL_DEFINITIONS, bytes: structBytes(GENERAL_DEFINITIONS) + children },
    { id: BLOCK_ID.DRIVER_FEATURES, bytes: structBytes(DRIVER_FEATURES) },
  ];
  const headerBytes = structBytes(VBT_HEADER);
  const bdbBytes = blocks.reduce(
    (sum, block) => sum + structBytes(BLOCK_HEADER) + block.bytes,
    structBytes(BDB_HEADER),
  );
  const vbtBytes = headerBytes + bdbBytes;
  const vbt = new Uint8Array(vbtBytes);

  putStruct(vbt, 0, VBT_HEADER, {
    signature: `$VBT ${platform.name}`,
    version: VBT_VERSION,
    headerBytes,
    vbtBytes,
    bdbOffset: headerBytes,
  });
  let at = putStruct(vbt, headerBytes, BDB_HEADER, {
    signature: 'BIOS_DATA_BLOCK',
    version: BDB_VERSION,
    headerBytes: structBytes(BDB_HEADER),
    bdbBytes,
  });
  for (const block of blocks) {
    const body = putStruct(vbt, at, BLOCK_HEADER, block);
    at = body + block.bytes;
    if (block.id !== BLOCK_ID.GENERAL_DEFINITIONS) continue;
    let child = putStruct(vbt, body, GENERAL_DEFINITIONS, { childBytes: structBytes(CHILD_DEVICE) });
    for (const values of CHILD_DEVICES) child = putStruct(vbt, child, CHILD_DEVICE, values);
  }
  vbt[structOffset(VBT_HEADER, 'checksum')] = -vbt.reduce((sum, byte) => sum + byte, 0);
  return vbt;
}
