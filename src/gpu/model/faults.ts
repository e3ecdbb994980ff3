/**
 * Faults of the device, injected on purpose: a Gpu that passes everything on to another, and breaks what it was told to break.
 * It stands between the mediator and the model and needs no hand in either; what it does could happen to a real device.
 */
import { type Frames, PAGE_DWORDS } from '../../base/index.js';
import {
  CSB,
  CSB_ENTRIES,
  ENGINES,
  type EngineId,
  FENCE_BASE,
  frameOf,
  HWSP_CSB,
  HWSP_CSB_WRITE,
  type Platform,
  RING,
  STOP_RING,
} from '../../hw/index.js';
import type { DmaPages, Gpu } from '../port.js';

const MASKED_STOP = ((STOP_RING << 16) | STOP_RING) >>> 0;
const MASKED_GO = (STOP_RING << 16) >>> 0;

export class FaultyGpu implements Gpu {
  onInterrupt: (() => void) | null = null;
  readonly platform: Platform;
  readonly apertureBytes: number;
  readonly fences: number;
  #lostInterrupts = 0;
  /** Of engine time, this many times as much passes for the mediator. */
  #slowness = 1;
  /** Device time and mediator's time when the slowness changed last. */
  #deviceSince = 0;
  #since = 0;
  #now = 0;
  readonly #badEntries: number[] = [];
  readonly #lastEntries: number[] = [];
  readonly #dropped: number[] = [];
  readonly #buffers: DmaPages[] = [];

  constructor(private readonly device: Gpu) {
    this.platform = device.platform;
    this.apertureBytes = device.apertureBytes;
    this.fences = device.fences;
    device.onInterrupt = () => {
      if (this.#lostInterrupts > 0) this.#lostInterrupts--;
      else this.onInterrupt?.();
    };
  }

  // ---- faults

  /** The engine stops where it is, until it is reset. */
  stopEngine(engine: EngineId): void {
    this.device.write32(ENGINES[engine]!.mmioBase + RING.MI_MODE, MASKED_STOP);
  }

  resumeEngine(engine: EngineId): void {
    this.device.write32(ENGINES[engine]!.mmioBase + RING.MI_MODE, MASKED_GO);
  }

  /** The next interrupts never arrive; their causes stay in the registers. */
  loseInterrupts(count: number): void {
    this.#lostInterrupts += count;
  }

  /** The next completions of an engine's context status buffer are not what was written. */
  garbleStatus(engine: EngineId, entries: number): void {
    this.#badEntries[engine] = (this.#badEntries[engine] ?? 0) + entries;
  }

  /** The next submissions of an engine are swallowed. */
  dropSubmissions(engine: EngineId, count: number): void {
    this.#dropped[engine] = (this.#dropped[engine] ?? 0) + count;
  }

  /** A fence register holds something else from now on. */
  corruptFence(fence: number): void {
    const offset = FENCE_BASE + 8 * fence;
    this.device.write32(offset, this.device.read32(offset) ^ 0x00ff_f003);
    this.device.write32(offset + 4, this.device.read32(offset + 4) ^ 0x0000_f07f);
  }

  /** Memory is so slow that everything takes this many times as long. */
  slowMemory(times: number): void {
    this.#deviceSince = this.#deviceTime(this.#now);
    this.#since = this.#now;
    this.#slowness = times;
  }

  #deviceTime(now: number): number {
    return this.#deviceSince + Math.floor((now - this.#since) / this.#slowness);
  }

  #garble(engine: EngineId): void {
    const page = this.device.read32(ENGINES[engine]!.mmioBase + RING.HWS_PGA) >>> 12;
    const mfn = frameOf(this.device.readGgttLo(page), this.device.readGgttHi(page));
    const buffer = this.#buffers.find((one) => mfn >= one.mfn && mfn < one.mfn + one.pages);
    if (buffer === undefined) return;
    const { words } = buffer;
    const at = buffer.at + PAGE_DWORDS * (mfn - buffer.mfn);
    const entry = words[at + HWSP_CSB_WRITE]! % CSB_ENTRIES;
    const status = at + HWSP_CSB + 2 * entry;
    const fresh = entry !== this.#lastEntries[engine];
    this.#lastEntries[engine] = entry;
    if (!fresh || (words[status]! & CSB.COMPLETE) === 0 || (this.#badEntries[engine] ?? 0) === 0) return;
    words[status] = 0xdead_beef;
    words[status + 1] = 0xffff_ffff;
    this.#badEntries[engine]!--;
  }

  // ---- the device

  read32(offset: number): number {
    return this.device.read32(offset);
  }

  write32(offset: number, value: number): void {
    for (const engine of this.platform.engines) {
      if ((this.#dropped[engine] ?? 0) === 0 || offset !== ENGINES[engine]!.mmioBase + RING.ELSP) continue;
      // Four writes make a submission; one that names nothing valid is refused by the device.
      this.#dropped[engine]! -= 1 / 4;
      this.device.write32(offset, 0);
      return;
    }
    this.device.write32(offset, value);
  }

  writeGgtt(index: number, lo: number, hi: number): void {
    this.device.writeGgtt(index, lo, hi);
  }
  readGgttLo(index: number): number {
    return this.device.readGgttLo(index);
  }
  readGgttHi(index: number): number {
    return this.device.readGgttHi(index);
  }
  allocate(pages: number, owner: number): DmaPages {
    const buffer = this.device.allocate(pages, owner);
    this.#buffers.push(buffer);
    return buffer;
  }
  free(pages: DmaPages): void {
    const at = this.#buffers.indexOf(pages);
    if (at >= 0) this.#buffers.splice(at, 1);
    this.device.free(pages);
  }
  markScratch(mfn: number): void {
    this.device.markScratch(mfn);
  }
  frameBase(owner: number): number {
    return this.device.frameBase(owner);
  }
  attachMemory(owner: number, memory: Frames): void {
    this.device.attachMemory(owner, memory);
  }
  detachMemory(owner: number): void {
    this.device.detachMemory(owner);
  }
  advance(now: number): boolean {
    this.#now = Math.max(this.#now, now);
    const happened = this.device.advance(this.#deviceTime(this.#now));
    for (const engine of this.platform.engines) this.#garble(engine);
    return happened;
  }
  nextDue(): number {
    const due = this.device.nextDue();
    return this.#since + (due - this.#deviceSince) * this.#slowness;
  }
}
