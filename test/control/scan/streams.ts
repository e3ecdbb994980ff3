/** Files of every form that the offline scanner reads, made on the spot. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { engineName } from '../../../src/control/scan/index.js';
import { Corpus } from '../../cmd-parser/corpus.js';

export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'xengt-scan-'));

  write(name: string, contents: string | Uint8Array): string {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, contents);
    return file;
  }

  drop(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const bytesOf = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);

const hex = (value: number): string => `0x${value.toString(16)}`;

interface Program {
  readonly platform: string;
  readonly name: string;
  readonly execs: object[];
}

/** Writes the carried streams as a corpus: a folder per platform, a file per program, pages deduplicated. */
export function writeCorpus(folder: Folder, root = '.'): number {
  const corpus = new Corpus();
  const programs = new Map<string, Program>();
  const pages = new Map<string, { indexes: Map<number, number>; contents: Uint8Array[] }>();
  for (const stream of corpus.streams) {
    const platform = stream.platform.name.toLowerCase();
    const memory = corpus.memoryOf(stream);
    const own = pages.get(platform) ?? { indexes: new Map<number, number>(), contents: [] };
    pages.set(platform, own);
    const runs = stream.memory.map(([page]) => {
      const at = memory.locate(page);
      const words = memory.words.slice(at, at + 1024);
      let index = own.indexes.get(at);
      if (index === undefined) {
        index = words.some((word) => word !== 0) ? own.contents.push(new Uint8Array(words.buffer)) - 1 : -1;
        own.indexes.set(at, index);
      }
      return [hex(page * 4096), [index]] as const;
    });
    const addresses = runs.map(([address]) => Number(address));
    const first = Math.min(...addresses);
    const key = `${platform}/${stream.program}`;
    const program = programs.get(key) ?? { platform, name: stream.program, execs: [] };
    programs.set(key, program);
    program.execs.push({
      seq: stream.exec,
      engine: engineName(stream.engine),
      batch_addr: hex(stream.start),
      objects: [[hex(first), Math.max(...addresses) + 4096 - first, '0x8', 0]],
      memory: runs,
      segments: stream.segments.map(([start, end, kind]) => [hex(start), hex(end), kind]),
      commands: stream.commands,
      dwords: stream.dwords,
      walk: stream.walk,
    });
  }
  for (const [platform, { contents }] of pages) folder.write(`${root}/${platform}/pages.bin`, Buffer.concat(contents));
  for (const { platform, name, execs } of programs.values()) {
    const json = { format: 'i915-batch-corpus-1', platform, program: name, pages_file: 'pages.bin', execs };
    folder.write(`${root}/${platform}/${name}.json`, JSON.stringify(json));
  }
  return corpus.streams.length;
}

/** A dword as the kernel writes it: five digits of base 85, or z. */
function digits(word: number): string {
  if (word === 0) return 'z';
  let text = '';
  for (let i = 0, left = word; i < 5; i++, left = Math.floor(left / 85))
    text = String.fromCharCode(33 + (left % 85)) + text;
  return text;
}

export const ascii85 = (words: Iterable<number>): string => [...words].map(digits).join('');

/** The contents of a buffer, deflated, as one line of an error state. */
export function deflated(words: readonly number[]): string {
  const packed = deflateSync(bytesOf(words));
  const padded = Buffer.concat([packed, Buffer.alloc((4 - (packed.length % 4)) % 4)]);
  const dwords = Array.from({ length: padded.length / 4 }, (_, i) => padded.readUInt32LE(i * 4));
  return `:${ascii85(dwords)}`;
}

/** The contents of a buffer, a line per dword. */
export function dumped(words: readonly number[]): string {
  const digits8 = (value: number): string => value.toString(16).padStart(8, '0');
  return words.map((word, i) => `${digits8(i * 4)} :  ${digits8(word)}`).join('\n');
}

/** A page of `words`, the rest zero. */
export const page = (words: readonly number[]): number[] => [
  ...words,
  ...new Array<number>(1024 - words.length).fill(0),
];
