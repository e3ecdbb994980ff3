/**
 * What cases are made from: the rows of the command tables, pieces of real drivers' streams, and the registers at which a
 * policy could be wrong. Made once per platform and engine.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Scanner, walk } from '../src/cmd-parser/index.js';
import { packageInfo } from '../src/control/package-info.js';
import {
  type CommandRow,
  type CommandTable,
  compileCommands,
  ENGINES,
  type EngineId,
  PLATFORMS,
  type Platform,
  REGISTER_ROWS,
  RING,
} from '../src/hw/index.js';
import { commandAccess } from '../src/mediator/command-access.js';
import { compilePolicy } from '../src/mmio/index.js';
import { vgpuHandlers } from '../src/vgpu/index.js';
import { Corpus } from '../test/cmd-parser/corpus.js';

/** Consecutive commands of a real stream. */
export interface RealStream {
  readonly words: Uint32Array;
  /** First dword of each command, and one behind the last. */
  readonly starts: Uint32Array;
}

/** Most dwords of a real stream that are worth keeping: mutations take windows of it. */
const MOST_DWORDS = 6000;

export interface Material {
  readonly platform: Platform;
  readonly engine: EngineId;
  readonly table: CommandTable;
  readonly rows: readonly CommandRow[];
  readonly streams: readonly RealStream[];
  /** Registers that commands may reach on a vGPU, as its own table says. */
  readonly open: Uint32Array;
  /** Registers at both sides of where that changes, and the command streamers' own. */
  readonly boundary: Uint32Array;
}

export class Materials {
  /** By platform. */
  readonly scanners: readonly Scanner[];
  /** The same again: what one scan left behind must not show in another's. */
  readonly otherScanners: readonly Scanner[];
  readonly #materials: readonly (readonly Material[])[];

  /** @param corpus whether to read the carried streams of real drivers too */
  constructor(corpus = true) {
    const streams = corpus ? realStreams() : () => [];
    const access = PLATFORMS.map((platform) => commandAccess(compilePolicy(platform, REGISTER_ROWS, vgpuHandlers)));
    this.scanners = PLATFORMS.map((platform, i) => new Scanner(platform, access[i]!));
    this.otherScanners = PLATFORMS.map((platform, i) => new Scanner(platform, access[i]!));
    this.#materials = PLATFORMS.map((platform, i) =>
      platform.engines.map((engine) => {
        const table = compileCommands(platform, engine);
        return {
          platform,
          engine,
          table,
          rows: table.rows.filter((row) => row !== undefined),
          streams: streams(platform, engine),
          ...registersOf(access[i]!),
        };
      }),
    );
  }

  of(platform: number, engine: EngineId): Material {
    return this.#materials[platform]!.find((material) => material.engine === engine)!;
  }
}

function realStreams(): (platform: Platform, engine: EngineId) => RealStream[] {
  const file = join(packageInfo().root, 'test', 'fixtures', 'corpus', 'streams.bin.br');
  const corpus = new Corpus(pathToFileURL(file));
  return (platform, engine) => {
    // A platform without streams of its own borrows those of its generation.
    const own = corpus.streams.filter((stream) => stream.engine === engine && stream.platform.gen === platform.gen);
    const table = compileCommands(platform, engine);
    return own.flatMap((stream) => {
      const [segment] = stream.segments;
      if (segment === undefined) return [];
      const [start, end] = segment;
      const words = corpus.wordsFrom(stream, start).slice(0, Math.min(MOST_DWORDS, (end - start) / 4));
      const starts: number[] = [];
      const walker = walk(table, words, 0, words.length);
      while (walker.next() && walker.length > 0 && walker.at + walker.length <= words.length) starts.push(walker.at);
      if (starts.length < 2) return [];
      return [{ words, starts: Uint32Array.from(starts) }];
    });
  };
}

function registersOf(access: Uint8Array): Pick<Material, 'open' | 'boundary'> {
  const open: number[] = [];
  const boundary = new Set<number>();
  for (let dword = 0; dword < access.length; dword++) {
    if (access[dword] !== 0) open.push(dword * 4);
    if (dword > 0 && access[dword] !== access[dword - 1]) boundary.add(dword * 4).add(dword * 4 - 4);
  }
  for (const { mmioBase } of ENGINES) for (const offset of Object.values(RING)) boundary.add(mmioBase + offset);
  return { open: Uint32Array.from(open), boundary: Uint32Array.from(boundary) };
}
