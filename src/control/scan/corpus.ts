/**
 * Recorded submissions in the format "i915-batch-corpus-1": per program a JSON file that says what was submitted and which
 * graphics pages hold what, and beside it one file with the pages, which all programs of the folder share. Contents that
 * were all zero have the index -1.
 */
import { dirname, join } from 'node:path';
import { PAGE_DWORDS, PAGE_SIZE, reasonOf } from '../../base/index.js';
import type { AddressRanges } from '../../cmd-parser/index.js';
import { type EngineId, type Platform, platformByName } from '../../hw/index.js';
import { type Batch, ENGINE_NAMES, type Expected, engineByName, type Piece } from './batch.js';
import { RecordedMemory, type Run } from './memory.js';
import { dwordsOf, malformed, readWhole } from './unreadable.js';

export const CORPUS_FORMAT = 'i915-batch-corpus-1';
const ADDRESS_END = 2 ** 48;

/** The pages of one folder; behind the last one lies a page of zeros. */
interface Pages {
  readonly file: string;
  readonly words: Uint32Array;
  readonly count: number;
}

export class CorpusReader {
  /** Of the folder that was read last: files come folder by folder. */
  #pages: Pages | undefined;
  readonly #pagesFiles = new Set<string>();

  /** Whether a file that was read holds its pages there. */
  isPagesFile(file: string): boolean {
    return this.#pagesFiles.has(file);
  }

  /** @throws XengtError when the file or its pages break the format */
  read(file: string): Batch[] {
    const json = new Json(file, parse(file, readWhole(file).toString('utf8')));
    json.equals('format', CORPUS_FORMAT);
    const platform = platformOf(json);
    const pages = this.#pagesOf(join(dirname(file), fileName(json)));
    return json.list('execs').map((exec) => batchOf(file, platform, pages, exec));
  }

  #pagesOf(file: string): Pages {
    if (this.#pages?.file === file) return this.#pages;
    this.#pagesFiles.add(file);
    const bytes = readWhole(file);
    if (bytes.length % PAGE_SIZE !== 0) {
      throw malformed(file, '', `its ${bytes.length} bytes are not whole pages of ${PAGE_SIZE}`);
    }
    const count = bytes.length / PAGE_SIZE;
    this.#pages = { file, count, words: dwordsOf(bytes, (count + 1) * PAGE_DWORDS) };
    return this.#pages;
  }
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const at = /position (\d+)/.exec(reasonOf(error));
    const before = at === null ? text : text.slice(0, Number(at[1]));
    throw malformed(file, `line ${before.split('\n').length}`, `it is not JSON: ${reasonOf(error)}`, error);
  }
}

function platformOf(json: Json): Platform {
  const name = json.text('platform');
  const platform = platformByName(name);
  if (platform === undefined) throw json.wrong('platform', `${name} is not a known platform`);
  return platform;
}

/** The pages lie beside the file that names them, nowhere else. */
function fileName(json: Json): string {
  const name = json.text('pages_file');
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) {
    throw json.wrong('pages_file', 'it names a file of the same folder');
  }
  return name;
}

function batchOf(file: string, platform: Platform, pages: Pages, exec: Json): Batch {
  const address = exec.address('batch_addr');
  if (address % 4 !== 0) throw exec.wrong('batch_addr', 'a batch starts at a multiple of 4');
  return {
    file,
    exec: exec.number('seq'),
    platform,
    engine: engineOf(exec),
    address,
    memory: memoryOf(pages, exec),
    ranges: rangesOf(exec),
    expected: expectedOf(exec),
  };
}

function engineOf(exec: Json): EngineId {
  const engine = engineByName(exec.text('engine'));
  if (engine === undefined) throw exec.wrong('engine', `it is one of ${ENGINE_NAMES.join(', ')}`);
  return engine;
}

function memoryOf(pages: Pages, exec: Json): RecordedMemory {
  const runs = exec.list('memory').map((run): Run => {
    const address = run.address(0);
    if (address % PAGE_SIZE !== 0) throw run.wrong(0, `a run starts at a multiple of ${PAGE_SIZE}`);
    const indexes = run.array(1);
    const contents = new Int32Array(indexes.length);
    for (let i = 0; i < indexes.length; i++) {
      const index = indexes[i];
      if (typeof index !== 'number' || !Number.isInteger(index) || index < -1 || index >= pages.count) {
        throw run.wrong(1, `page ${i} of it has no contents: ${pages.file} holds the pages 0 to ${pages.count - 1}`);
      }
      contents[i] = index < 0 ? pages.count : index;
    }
    return { first: address / PAGE_SIZE, contents };
  });
  const memory = new RecordedMemory(pages.words, runs);
  const twice = memory.overlap();
  if (twice >= 0) throw exec.wrong('memory', `runs do not overlap, page 0x${twice.toString(16)} is there twice`);
  return memory;
}

/** The span of the submission's objects. */
function rangesOf(exec: Json): AddressRanges {
  let lowStart = Infinity;
  let lowEnd = 0;
  for (const object of exec.list('objects')) {
    const start = object.address(0);
    lowStart = Math.min(lowStart, start);
    lowEnd = Math.max(lowEnd, start + object.number(1));
  }
  if (lowEnd === 0) lowStart = 0;
  return { lowStart, lowEnd, highStart: 0, highEnd: 0 };
}

function expectedOf(exec: Json): Expected {
  return {
    walk: exec.text('walk'),
    commands: exec.number('commands'),
    dwords: exec.number('dwords'),
    segments: exec.list('segments').map((segment): Piece => [segment.address(0), segment.address(1), segment.text(2)]),
  };
}

/** A value of the file and how to get to it, so that every refusal names the key. */
class Json {
  readonly #file: string;
  readonly #value: unknown;
  readonly #path: string;

  constructor(file: string, value: unknown, path = '') {
    this.#file = file;
    this.#value = value;
    this.#path = path;
  }

  wrong(key: string | number, rule: string): Error {
    return malformed(this.#file, this.#name(key), rule);
  }

  equals(key: string, value: string): void {
    if (this.#get(key) !== value) throw this.wrong(key, `it is "${value}" in the files that can be read`);
  }

  text(key: string | number): string {
    const value = this.#get(key);
    if (typeof value !== 'string') throw this.wrong(key, 'it is text');
    return value;
  }

  number(key: string | number): number {
    const value = this.#get(key);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.wrong(key, 'it is a whole number from 0');
    }
    return value;
  }

  address(key: string | number): number {
    const value = this.#get(key);
    const address = typeof value === 'string' && /^0x[0-9a-f]{1,16}$/i.test(value) ? Number(value) : -1;
    if (address < 0 || address > ADDRESS_END) throw this.wrong(key, 'it is an address of 48 bits in hex, "0x…"');
    return address;
  }

  array(key: string | number): readonly unknown[] {
    const value = this.#get(key);
    if (!Array.isArray(value)) throw this.wrong(key, 'it is a list');
    return value;
  }

  list(key: string | number): Json[] {
    return this.array(key).map((value, i) => new Json(this.#file, value, `${this.#name(key)}[${i}]`));
  }

  #get(key: string | number): unknown {
    const value = this.#value;
    if (typeof value !== 'object' || value === null)
      throw malformed(this.#file, this.#path, 'it is an object or a list');
    return (value as Readonly<Record<string | number, unknown>>)[key];
  }

  #name(key: string | number): string {
    if (typeof key === 'number') return `${this.#path}[${key}]`;
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}
