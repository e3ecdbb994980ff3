/** A guest with its own ranges, some memory behind its GGTT, and a scanner whose registers are open as on a real vGPU. */
import {
  CMD_ACCESS,
  CMD_PATCH,
  createScanResult,
  type RootTranslator,
  type ScanInput,
  Scanner,
  type ScanResult,
  WINDOW_DWORDS,
} from '../../src/cmd-parser/index.js';
import { ENGINES, type EngineId, PLATFORMS, type Platform, RCS, RING } from '../../src/hw/index.js';

export const LOW_START = 0x0400_0000;
export const LOW_END = 0x0800_0000;
export const HIGH_START = 0x2000_0000;
export const HIGH_END = 0x3000_0000;
/** The mediator's own page, outside the guest's ranges. */
export const HWSP = 0x0010_0000;
/** A page of the guest's own that is mapped, where a test puts privileged batches. */
export const BATCH = 0x0410_0000;

export const platformNamed = (name: string): Platform => PLATFORMS.find((platform) => platform.name === name)!;
export const SKL = platformNamed('SKL');
export const BDW = platformNamed('BDW');

/** Registers that the vGPU's table opens to commands, as public tables of mediated registers have them. */
export function commandAccess(): Uint8Array {
  const access = new Uint8Array(WINDOW_DWORDS);
  const open = (offset: number, bytes = 4, bits = CMD_ACCESS): void => {
    access.fill(bits, offset / 4, (offset + bytes) / 4);
  };
  for (const { mmioBase } of ENGINES) {
    open(mmioBase + RING.MI_MODE);
    open(mmioBase + RING.INSTPM);
    open(mmioBase + RING.CONTEXT_CONTROL);
    open(mmioBase + RING.TIMESTAMP, 8);
    open(mmioBase + RING.PDP0_LDW, 32);
    open(mmioBase + RING.MODE, 4, CMD_ACCESS | CMD_PATCH);
    open(mmioBase + RING.FORCE_TO_NONPRIV, 48, CMD_ACCESS | CMD_PATCH);
  }
  for (const offset of [
    0x2090, 0x20d4, 0x20e0, 0x20e4, 0x20ec, 0x2180, 0x2580, 0x4df4, 0x4180, 0x5588, 0x7004, 0x7010, 0x7014,
  ])
    open(offset);
  for (const offset of [0x7300, 0x7304, 0xb118, 0xe184, 0xe194, 0xe4f0]) open(offset);
  open(0x120000);
  open(0x2350, 8);
  open(0xb020, 128);
  open(0xc800, 2040);
  return access;
}

const scanners = new Map<Platform, Scanner>();
export function scannerFor(platform: Platform): Scanner {
  let scanner = scanners.get(platform);
  if (scanner === undefined) {
    scanner = new Scanner(platform, commandAccess());
    scanners.set(platform, scanner);
  }
  return scanner;
}

export interface Setup {
  platform?: Platform;
  engine?: EngineId;
  trust?: 'ring' | 'wa';
  /** Graphics address to dwords. */
  memory?: Record<number, readonly number[]>;
  onRegisterWrite?: (offset: number, value: number) => number;
  root?: RootTranslator;
  start?: number;
  end?: number;
}

/** Guest memory behind its GGTT: the pages that `memory` touches, zero elsewhere on them. */
export function framesOf(memory: Record<number, readonly number[]>): ScanInput['ggtt'] {
  const pages = new Map<number, number>();
  let words = new Uint32Array(0);
  const pageAt = (page: number): number => {
    let at = pages.get(page);
    if (at === undefined) {
      at = words.length;
      pages.set(page, at);
      const grown = new Uint32Array(words.length + 1024);
      grown.set(words);
      words = grown;
    }
    return at;
  };
  for (const [address, dwords] of Object.entries(memory)) {
    dwords.forEach((value, i) => {
      const gmadr = Number(address) + i * 4;
      const at = pageAt(Math.floor(gmadr / 4096)) + (gmadr & 0xfff) / 4;
      words[at] = value;
    });
  }
  return { words, locate: (page) => pages.get(page) ?? -1 };
}

export interface Scanned extends ScanResult {
  words: Uint32Array;
}

/** Scans `dwords` as ring contents (or as `setup.trust` says). */
export function scan(dwords: readonly number[], setup: Setup = {}): Scanned {
  const words = Uint32Array.from(dwords);
  const result = createScanResult();
  const input: ScanInput = {
    engine: setup.engine ?? RCS,
    trust: setup.trust ?? 'ring',
    words,
    start: setup.start ?? 0,
    end: setup.end ?? words.length,
    ranges: { lowStart: LOW_START, lowEnd: LOW_END, highStart: HIGH_START, highEnd: HIGH_END },
    ggtt: framesOf(setup.memory ?? {}),
    hwspPage: HWSP,
  };
  if (setup.onRegisterWrite) input.onRegisterWrite = setup.onRegisterWrite;
  if (setup.root) input.root = setup.root;
  scannerFor(setup.platform ?? SKL).scan(input, result);
  return { ...result, words };
}
