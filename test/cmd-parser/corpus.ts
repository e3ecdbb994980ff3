/** Reads the carried command streams; the layout is described in test/fixtures/corpus/README.md. */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';
import type { Frames } from '../../src/base/index.js';
import { BCS, type EngineId, PLATFORMS, type Platform, RCS, VCS, VECS } from '../../src/hw/index.js';

interface StreamHeader {
  platform: string;
  program: string;
  exec: number;
  engine: 'render' | 'copy' | 'video' | 'video_enhance';
  start: number;
  walk: 'static' | 'needs_sdi_emulation' | 'FAIL';
  commands: number;
  dwords: number;
  segments: [start: number, end: number, kind: string][];
  memory: [page: number, index: number][];
}

export interface Stream extends Omit<StreamHeader, 'platform' | 'engine'> {
  readonly name: string;
  readonly platform: Platform;
  readonly engine: EngineId;
}

const ENGINE_OF: Record<StreamHeader['engine'], EngineId> = { render: RCS, copy: BCS, video: VCS, video_enhance: VECS };

export class Corpus {
  readonly streams: readonly Stream[];
  readonly #pages: Uint32Array;

  constructor(file: URL = new URL('../fixtures/corpus/streams.bin.br', import.meta.url)) {
    const packed = brotliDecompressSync(readFileSync(file));
    if (packed.toString('latin1', 0, 4) !== 'XGCS' || packed.readUInt32LE(4) !== 1)
      throw new Error('not a corpus of this version');
    const headerBytes = packed.readUInt32LE(8);
    const pages = packed.readUInt32LE(12);
    const header = JSON.parse(packed.toString('utf8', 16, 16 + headerBytes)) as { streams: StreamHeader[] };
    this.#pages = new Uint32Array(pages * 1024);
    const first = 16 + headerBytes;
    for (let i = 0; i < this.#pages.length; i++) this.#pages[i] = packed.readUInt32LE(first + i * 4);
    this.streams = header.streams.map((stream) => ({
      ...stream,
      name: `${stream.platform} ${stream.program} #${stream.exec}`,
      platform: PLATFORMS.find((platform) => platform.name === stream.platform)!,
      engine: ENGINE_OF[stream.engine],
    }));
  }

  /** The stream's memory by graphics page. */
  memoryOf(stream: Stream): Frames {
    const index = new Map(stream.memory);
    const words = this.#pages;
    return { words, locate: (page) => (index.has(page) ? index.get(page)! * 1024 : -1) };
  }

  /** The dwords from `start` to the end of the mapped pages that follow it without a gap. */
  wordsFrom(stream: Stream, start: number): Uint32Array {
    const memory = this.memoryOf(stream);
    const all: number[] = [];
    for (let page = Math.floor(start / 4096), skip = (start % 4096) / 4; ; page++, skip = 0) {
      const at = memory.locate(page);
      if (at < 0) return Uint32Array.from(all);
      for (let i = skip; i < 1024; i++) all.push(memory.words[at + i]!);
    }
  }
}
