/** The scanner as dispatchers use it: streams of clients judged, and what was accepted put where the device finds it. */
import { PAGE_DWORDS, PAGE_SIZE, XengtError } from '../base/index.js';
import { createScanResult, type ScanInput, Scanner, type ScanResult, type ShadowBatch } from '../cmd-parser/index.js';
import type { Platform } from '../hw/index.js';
import type { Client } from './client.js';
import type { HostBuffer, HostGm } from './host-gm.js';
import { ScanRefusal } from './scan-stats.js';

/** Tables are compiled once for a device's rules, whoever asks; a scan is over before the next begins. */
const scanners = new WeakMap<Uint8Array, Scanner>();

function scannerFor(platform: Platform, cmdAccess: Uint8Array): Scanner {
  const known = scanners.get(cmdAccess);
  if (known !== undefined) return known;
  const scanner = new Scanner(platform, cmdAccess);
  scanners.set(cmdAccess, scanner);
  return scanner;
}

export class Judge {
  readonly #scanner: Scanner;
  readonly #result: ScanResult = createScanResult();

  constructor(
    platform: Platform,
    private readonly gm: HostGm,
    cmdAccess: Uint8Array,
  ) {
    this.#scanner = scannerFor(platform, cmdAccess);
  }

  /** Judges a stream without counting it. */
  passes(input: ScanInput): boolean {
    return this.#scanner.scan(input, this.#result);
  }

  judge(client: Client, input: ScanInput): boolean {
    const result = this.#result;
    const accepted = this.#scanner.scan(input, result);
    client.commands += result.commands;
    client.dwords += result.dwords;
    return accepted;
  }

  /** Of the last stream, which was not accepted. */
  refusal(ofProcess: boolean): ScanRefusal {
    const { code, message } = this.#result;
    return new ScanRefusal(code, ofProcess, message);
  }

  /** Puts the accepted copies where the device finds them, and their addresses into the commands that start them. */
  place(client: Client, words: Uint32Array, batches: HostBuffer[]): void {
    const result = this.#result;
    const placed: HostBuffer[] = [];
    for (const batch of result.batches) {
      const buffer = this.gm.allocate(Math.ceil(batch.dwords / PAGE_DWORDS), client.id);
      batches.push(buffer);
      placed.push(buffer);
      client.copied.batches += batch.dwords * 4;
      buffer.memory.words.set(batch.words.subarray(0, batch.dwords), buffer.memory.at);
    }
    result.batches.forEach((batch: ShadowBatch, i: number) => {
      for (const site of batch.patchAt) {
        const parent = site.batch < 0 ? null : placed[site.batch]!.memory;
        const target = parent ? parent.words : words;
        const index = parent ? parent.at + site.dword : site.dword;
        target[index] = placed[i]!.gmadr;
        if (site.wide) target[index + 1] = 0;
      }
    });
  }
}

/** Copies guest memory by graphics address, page by page. @throws XengtError XENGT_E_CONTEXT at a page that is not mapped */
export function copyGmadr(
  client: Client,
  gmadr: number,
  bytes: number,
  into: Uint32Array,
  at: number,
  what: string,
): void {
  for (let done = 0; done < bytes; ) {
    const address = gmadr + done;
    const from = client.locate(Math.floor(address / PAGE_SIZE));
    if (from < 0) {
      throw new XengtError(
        'XENGT_E_CONTEXT',
        `${what}: GMADR 0x${address.toString(16)} is not mapped by the guest's GGTT`,
      );
    }
    const offset = (address & (PAGE_SIZE - 1)) >>> 2;
    const dwords = Math.min((bytes - done) / 4, PAGE_DWORDS - offset);
    into.set(client.words.subarray(from + offset, from + offset + dwords), at);
    at += dwords;
    done += dwords * 4;
  }
}
