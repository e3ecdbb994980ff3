/**
 * Makes a case: a ring, a workaround buffer or a batch, and batches in the guest's memory, from commands that are nearly right,
 * then mutated. Everything follows from the seed and the case's number.
 */
import { BBS_ADD_OFFSET, BBS_PPGTT, BBS_PREDICATE, BBS_SECOND_LEVEL, CMD, PLATFORMS, RCS } from '../src/hw/index.js';
import { type FuzzCase, type FuzzTrust, isBatch, MOST_WORDS, PER_PROCESS, type Piece } from './case.js';
import { emitCommand } from './commands.js';
import type { Material, Materials, RealStream } from './material.js';
import { Program } from './program.js';
import { Random } from './random.js';
import { LAYOUTS, type Layout, RAM_DWORDS } from './surroundings.js';
import { Values } from './values.js';

/** How often each kind of stream is made. */
const MIX: readonly FuzzTrust[] = [
  ...([
    'ring',
    'ring',
    'ring',
    'ring',
    'ring',
    'wa',
    'batch',
    'batch',
    'ppgtt',
    'ppgtt',
    'haswell',
    'haswell',
  ] as const),
];
const MOST_PIECES = 4;
const PIECE_DWORDS = 1024;
const MI_NOOP = 0;

/** Indices of the platforms whose streams the model executes, and of those that it does not. */
const EXECUTED = PLATFORMS.flatMap(({ gen }, i) => (gen >= 8 ? [i] : []));
const OLDER = PLATFORMS.flatMap(({ gen }, i) => (gen < 8 ? [i] : []));
const NO_WORDS = new Uint32Array(0);

export const layoutOf = (platform: number): Layout => LAYOUTS[platform % LAYOUTS.length]!;

export class Generator {
  readonly #materials: Materials;
  readonly #random = new Random();
  readonly #program = new Program();
  /** Few mutations and long streams. */
  #gentle = false;
  readonly #values = new Values(this.#random);
  readonly #words = new Uint32Array(MOST_WORDS);
  readonly #pieceWords = Array.from({ length: MOST_PIECES }, () => new Uint32Array(PIECE_DWORDS));
  readonly #case: FuzzCase = {
    platform: PLATFORMS[0]!,
    engine: RCS,
    trust: 'ring',
    words: this.#words,
    wa: 'indirect',
    fill: 0,
    pieces: [],
    answered: false,
    warm: null,
    perProcess: 'unseen',
    address: 0,
  };

  constructor(materials: Materials) {
    this.#materials = materials;
  }

  /** Case `number` of campaign `seed`. It is valid until the next one is made. */
  make(seed: number, number: number): FuzzCase {
    const random = this.#random;
    random.seed(seed, number);
    const made = this.#case;
    made.trust = random.pick(MIX);
    const platform = random.pick(made.trust === 'haswell' ? OLDER : EXECUTED);
    made.platform = PLATFORMS[platform]!;
    made.perProcess = made.trust !== 'ring' || random.chance(3, 4) ? 'unseen' : random.pick(PER_PROCESS);
    made.engine = made.trust === 'wa' || random.chance(3, 5) ? RCS : random.pick(made.platform.engines);
    made.wa = random.chance(1, 2) ? 'indirect' : 'per-context';
    made.answered = random.chance(1, 2);
    // Memory full of ends lets any jump return; memory full of nothing makes the walk long, and is rare for that.
    made.fill = random.chance(1, 4000) ? MI_NOOP : CMD.MI_BATCH_BUFFER_END;
    const material = this.#materials.of(platform, made.engine);
    this.#gentle = random.chance(1, 3);
    this.#values.begin(layoutOf(platform), material, made.trust, this.#gentle);

    const alone = isBatch(made.trust);
    const pieces = alone ? 1 + random.below(MOST_PIECES) : random.chance(1, 3) ? 0 : 1 + random.below(MOST_PIECES);
    made.pieces.length = 0;
    for (let i = 0; i < pieces; i++) this.#values.batches.push(this.#place(i));
    made.address = this.#values.startOf(0, made.trust);
    if (alone) made.words = NO_WORDS;
    else {
      made.words = this.#buffer(material, made.trust === 'wa' ? 'wa' : 'ring', this.#words, MOST_WORDS - 16);
      made.words = this.#padded(made.words.length, made.trust === 'wa' ? 16 : 2);
    }
    for (let i = 0; i < pieces; i++) {
      const at = this.#values.batches[i]!;
      const most = Math.min(PIECE_DWORDS, RAM_DWORDS - at);
      const piece: Piece = { at, words: this.#buffer(material, 'batch', this.#pieceWords[i]!, most) };
      made.pieces.push(piece);
    }
    made.warm = pieces > 0 && random.chance(1, 3) ? this.#warm(made.pieces) : null;
    return made;
  }

  /** Verdicts of before: on the same memory, or on memory that differs by a bit, in a batch or beside it. */
  #warm(pieces: readonly Piece[]): readonly [dword: number, bits: number] {
    const random = this.#random;
    const { at, words } = random.pick(pieces);
    const dword = random.chance(7, 8) ? at + random.below(words.length) : random.below(RAM_DWORDS);
    return [Math.min(dword, RAM_DWORDS - 1), random.chance(1, 3) ? 0 : (1 << random.below(32)) >>> 0];
  }

  /** Dword of the guest's memory at which batch `index` starts: mostly early in a page of its own. */
  #place(index: number): number {
    const random = this.#random;
    const page = (index * 4 + random.below(4)) * 1024;
    if (random.chance(1, 6)) return page + 1024 - 1 - random.below(16);
    return random.chance(1, 2) ? page : page + random.below(256);
  }

  #padded(length: number, multiple: number): Uint32Array {
    const end = Math.ceil(Math.max(1, length) / multiple) * multiple;
    this.#words.fill(MI_NOOP, length, end);
    return this.#words.subarray(0, end);
  }

  #buffer(material: Material, kind: 'ring' | 'wa' | 'batch', into: Uint32Array, most: number): Uint32Array {
    const random = this.#random;
    const processes = this.#case.trust === 'ppgtt' || this.#case.trust === 'haswell';
    const program = this.#program;
    program.clear();
    const real = material.streams.length > 0 && random.chance(1, 4);
    if (real) this.#borrow(random.pick(material.streams), kind);
    const many = (kind === 'batch' ? 8 : 14) * (this.#gentle ? 2 : 1);
    const commands = real ? random.below(4) : 1 + random.below(many);
    for (let i = 0; i < commands; i++) {
      if (this.#values.batches.length > 0 && kind !== 'wa' && random.chance(1, kind === 'ring' ? 3 : 8))
        this.#jump(processes);
      else emitCommand(program, random, this.#values, material);
    }
    if (kind === 'wa' && random.chance(1, 30)) this.#jump(processes);
    if (kind === 'batch' && random.chance(15, 16)) program.begin(CMD.MI_BATCH_BUFFER_END);
    if (kind === 'wa' && random.chance(1, 3)) program.begin(CMD.MI_BATCH_BUFFER_END);
    for (let i = random.below(8) - (this.#gentle ? 6 : 4); i > 0; i--) this.#mutate(material);
    return into.subarray(0, program.emit(into, most));
  }

  /** A window of a real stream. What ends a batch would end it too early here. */
  #borrow(stream: RealStream, kind: 'ring' | 'wa' | 'batch'): void {
    const random = this.#random;
    const { words, starts } = stream;
    const first = random.below(starts.length - 1);
    const last = Math.min(starts.length - 1, first + 1 + random.below(16));
    for (let i = first; i < last; i++) {
      const at = starts[i]!;
      const length = starts[i + 1]! - at;
      if (length > 300) continue;
      const header = words[at]!;
      const ends = header >>> 23 === CMD.MI_BATCH_BUFFER_END >>> 23;
      this.#program.begin(ends && kind !== 'batch' && random.chance(9, 10) ? MI_NOOP : header);
      for (let j = 1; j < length; j++) this.#program.put(words[at + j]!);
    }
  }

  #jump(processes: boolean): void {
    const random = this.#random;
    const values = this.#values;
    let header = CMD.MI_BATCH_BUFFER_START | (values.wide ? 1 : 0);
    if (random.chance(processes ? 15 : 4, 16)) header |= BBS_PPGTT;
    if (random.chance(1, 4)) header |= BBS_SECOND_LEVEL;
    if (random.chance(1, 12)) header |= BBS_PREDICATE;
    if (random.chance(1, 40)) header |= BBS_ADD_OFFSET;
    this.#program.begin(header);
    this.#program.put(random.chance(9, 10) ? values.batchAddress() : values.address());
    if (values.wide) this.#program.put(random.chance(60, 61) ? 0 : values.high());
  }

  #mutate(material: Material): void {
    const random = this.#random;
    const program = this.#program;
    const { pool } = program;
    if (program.count === 0) return;
    const command = random.below(program.count);
    const dword = program.randomDword(random);
    switch (random.below(12)) {
      case 0:
      case 1:
      case 2:
        pool[dword] = (pool[dword]! ^ (1 << random.below(32))) >>> 0;
        return;
      case 3:
        pool[dword] = this.#values.any();
        return;
      case 4: {
        // the length field, off by one
        const at = program.at[command]!;
        pool[at] = (pool[at]! + (random.chance(1, 2) ? 1 : -1)) >>> 0;
        return;
      }
      case 5: {
        // the selects of the global GTT
        const at = program.at[command]!;
        if (random.chance(2, 3)) pool[at] = (pool[at]! ^ (1 << random.pick([21, 22]))) >>> 0;
        else pool[at + 1] = (pool[at + 1]! ^ (1 << random.pick([0, 2, 24]))) >>> 0;
        return;
      }
      case 6:
        program.duplicate(command, random.below(program.count + 1));
        return;
      case 7:
        program.delete(command);
        return;
      case 8:
        program.swap(command, random.below(program.count));
        return;
      case 9:
        // one dword too few or too many: all that follows is read differently
        if (program.length[command]! > 1) program.length[command]!--;
        return;
      case 10:
        pool[dword] = this.#values.address();
        return;
      default:
        emitCommand(program, random, this.#values, material);
        program.swap(program.count - 1, random.below(program.count));
    }
  }
}
