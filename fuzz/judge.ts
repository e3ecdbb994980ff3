/**
 * Judges the scanner by one case: what it must do in any case, and that nothing it accepted does harm, by two oracles that
 * share nothing with it: an independent reading of the patched copies, and their execution among hostile surroundings. What
 * the model does not execute (Haswell) is read only.
 */
import { reasonOf } from '../src/base/index.js';
import {
  BATCH_BUDGET_COUNT,
  BATCH_BUDGET_DWORDS,
  type BatchInput,
  createScanResult,
  SCAN_RULES,
  type ScanInput,
  type ScanResult,
  TRACE_BUDGET_JUMPS,
  TRACE_BUDGET_PAGES,
  VerdictCache,
} from '../src/cmd-parser/index.js';
import { ENGINES, PLATFORMS } from '../src/hw/index.js';
import { answerFor, RootAnswer } from './answers.js';
import { type FuzzCase, isBatch, MOST_WORDS } from './case.js';
import { harmIn } from './effects.js';
import type { Escape } from './escape.js';
import { layoutOf } from './generate.js';
import { PrivilegedRegisters } from './privileged-registers.js';
import { type Ending, Rig } from './rig.js';
import { GuestView, isOwn } from './surroundings.js';
import { World } from './world.js';

/** Pages that a scan asks for at most: each start of a batch, and each jump, may need one more than its dwords fill. */
const MOST_LOCATED = BATCH_BUDGET_DWORDS / 1024 + 2 * BATCH_BUDGET_COUNT + TRACE_BUDGET_PAGES + 2 * TRACE_BUDGET_JUMPS;
const MOST_WALKED = BATCH_BUDGET_DWORDS + TRACE_BUDGET_PAGES * 1024;

/** The scanner of a platform, or something in its place. */
export interface ScannerFace {
  scan(input: ScanInput, result: ScanResult): boolean;
  scanBatch(input: BatchInput, result: ScanResult): boolean;
}

/** How a stream that was accepted ended; 'read' was not executed. */
export type Outcome = Ending | 'read';

export interface Judgement {
  accepted: boolean;
  /** Code of a refusal. */
  code: string;
  finding: Escape | null;
  ending: Outcome | null;
  /** Commands executed. */
  commands: number;
}

type Scan = (scanner: ScannerFace, result: ScanResult, cache?: VerdictCache) => boolean;

export class Judge {
  /** The last answer of the scanner. */
  readonly result = createScanResult();
  readonly #scanners: readonly ScannerFace[];
  readonly #others: readonly ScannerFace[];
  readonly #world = new World();
  /** By platform; none for those that the model is not of. */
  readonly #rigs: readonly (Rig | undefined)[];
  readonly #registers = ENGINES.map(({ id }) => new PrivilegedRegisters(id));
  readonly #view: GuestView;
  readonly #again = createScanResult();
  readonly #buffer = new Uint32Array(MOST_WORDS);
  readonly #judgement: Judgement = { accepted: false, code: '', finding: null, ending: null, commands: 0 };

  /**
   * @param scanners by platform, in the order of PLATFORMS
   * @param others as many again, to scan everything twice with
   */
  constructor(scanners: readonly ScannerFace[], others: readonly ScannerFace[]) {
    this.#scanners = scanners;
    this.#others = others;
    this.#view = new GuestView(this.#world.ram);
    this.#rigs = PLATFORMS.map((platform, i) =>
      platform.gen >= 8 ? new Rig(this.#world, platform, layoutOf(i)) : undefined,
    );
  }

  /** The answer is valid until the next case. */
  judge(fuzzCase: FuzzCase): Judgement {
    const out = this.#judgement;
    const { result } = this;
    const platform = PLATFORMS.indexOf(fuzzCase.platform);
    const scanner = this.#scanners[platform]!;
    const other = this.#others[platform]!;
    out.finding = null;
    out.ending = null;
    out.commands = 0;
    this.#world.load(fuzzCase);
    const words = this.#buffer.subarray(0, fuzzCase.words.length);
    words.set(fuzzCase.words);
    const scan = this.#scanOf(fuzzCase, words, platform);
    try {
      const cache = this.#warmed(fuzzCase, words, scan, scanner);
      this.#view.located = 0;
      out.accepted = scan(scanner, result, cache);
    } catch (error) {
      out.accepted = false;
      out.code = 'throw';
      out.finding = {
        kind: 'throw',
        detail: error instanceof Error ? (error.stack ?? error.message) : reasonOf(error),
      };
      return out;
    }
    out.code = result.code;
    out.finding = malformed(out.accepted, result) ?? this.#overBudget(words.length);
    if (out.finding !== null) return out;
    if (!out.accepted) {
      words.set(fuzzCase.words);
      out.finding = this.#scanAgain(scan, other);
      return out;
    }
    out.finding = this.#read(fuzzCase, words, platform);
    // What runs is what was scanned: it must pass as it stands, patches and all. Only what was said to be of the process
    // and is now a copy of the mediator's has lost where it came from.
    if (fuzzCase.perProcess !== 'copied') out.finding ??= this.#scanAgain(scan, other);
    const rig = this.#rigs[platform];
    if (rig === undefined) {
      out.ending = 'read';
      return out;
    }
    out.ending = rig.execute(fuzzCase, words, result);
    out.commands = rig.commands;
    out.finding ??= rig.escape ?? this.#attempted(fuzzCase, rig);
    return out;
  }

  /** A look at what no case should ever change. */
  lookAround(): Escape | null {
    const changed = this.#world.changed();
    if (changed !== null) return { kind: 'canary', detail: changed };
    for (const rig of this.#rigs) {
      const [first] = rig?.changedRegisters() ?? [];
      if (first !== undefined)
        return {
          kind: 'register-write',
          detail: `register 0x${first.toString(16)} changed unseen on ${rig!.platform.name}`,
        };
    }
    return null;
  }

  #scanOf(fuzzCase: FuzzCase, words: Uint32Array, platform: number): Scan {
    const { engine, trust, address } = fuzzCase;
    const { ranges } = layoutOf(platform);
    const memory = this.#view;
    const hwspPage = ranges.highStart + 5 * 4096;
    if (trust !== 'ring' && trust !== 'wa') {
      const input: BatchInput = {
        engine,
        trust: trust === 'batch' ? 'ring' : trust,
        address,
        memory,
        ranges,
        hwspPage,
      };
      return (scanner, result, cache) => scanner.scanBatch(cache === undefined ? input : { ...input, cache }, result);
    }
    const input: ScanInput = { engine, trust, words, start: 0, end: words.length, ranges, ggtt: memory, hwspPage };
    if (trust === 'ring' && fuzzCase.perProcess !== 'unseen') {
      const perProcess = { trust: 'ppgtt', memory, space: 1, copy: fuzzCase.perProcess === 'copied' } as const;
      input.perProcess = perProcess;
    }
    if (fuzzCase.answered) {
      input.onRegisterWrite = (offset) => answerFor(engine, offset);
      input.root = new RootAnswer(this.#world.root);
    }
    return (scanner, result, cache) => scanner.scan(cache === undefined ? input : { ...input, cache }, result);
  }

  /** Verdicts as they were reached on what the memory was before. Twice: what comes only once is not kept. */
  #warmed(fuzzCase: FuzzCase, words: Uint32Array, scan: Scan, scanner: ScannerFace): VerdictCache | undefined {
    if (fuzzCase.warm === null) return undefined;
    const cache = new VerdictCache();
    const { ram } = this.#world;
    const [dword, bits] = fuzzCase.warm;
    const now = ram[dword]!;
    ram[dword] = now ^ bits;
    for (let i = 0; i < 2; i++) {
      scan(scanner, this.#again, cache);
      words.set(fuzzCase.words);
    }
    ram[dword] = now;
    return cache;
  }

  #overBudget(dwords: number): Escape | null {
    const { result } = this;
    const copied = result.batches.reduce((sum, batch) => sum + batch.dwords, 0);
    const over = (what: string): Escape => ({ kind: 'budget', detail: what });
    if (result.batches.length > BATCH_BUDGET_COUNT) return over(`${result.batches.length} batches`);
    if (copied > BATCH_BUDGET_DWORDS) return over(`${copied} dwords of batches`);
    if (result.commands > dwords + MOST_WALKED) return over(`${result.commands} commands`);
    return this.#view.located > MOST_LOCATED ? over(`${this.#view.located} pages of the guest`) : null;
  }

  /** A second scanner must say the same; of a stream that was accepted it sees what was patched. */
  #scanAgain(scan: Scan, scanner: ScannerFace): Escape | null {
    const first = this.result;
    const again = this.#again;
    scan(scanner, again);
    const same = again.ok === first.ok && again.code === first.code;
    // What was taken out counts as more commands than it was, but as no more dwords.
    const counted = first.ok ? again.dwords === first.dwords : again.dword === first.dword;
    if (same && counted) return differentCopies(first, again);
    const said = (result: ScanResult): string => (result.ok ? `${result.dwords} dwords accepted` : result.message);
    return { kind: 'again', detail: `first: ${said(first)}; again: ${said(again)}` };
  }

  /** The independent reading, buffer by buffer. */
  #read(fuzzCase: FuzzCase, words: Uint32Array, platform: number): Escape | null {
    const { batches } = this.result;
    const { engine, trust } = fuzzCase;
    const { ranges } = layoutOf(platform);
    const owns = (from: number, bytes: number): boolean => isOwn(ranges, from, bytes);
    const wa = trust === 'wa';
    const placesAll = trust === 'haswell' || fuzzCase.perProcess === 'copied';
    const { gen } = fuzzCase.platform;
    // Where the model executes, it watches the registers, with the answers that were given for some of them.
    const registers = gen === 7 ? this.#registers[engine]! : null;
    for (let buffer = isBatch(trust) ? 0 : -1; buffer < batches.length; buffer++) {
      const batch = batches[buffer];
      const isPlaced = (dword: number): boolean =>
        batches.some(({ patchAt }) => patchAt.some((site) => site.batch === buffer && site.dword === dword));
      const found = harmIn({
        words: batch?.words ?? words,
        end: batch?.dwords ?? words.length,
        level: batch?.level ?? 0,
        engine,
        wa,
        gen,
        perProcess: batch?.perProcess ?? false,
        owns,
        isPlaced,
        placesAll,
        registers,
      });
      if (found !== null) return buffer < 0 ? found : { ...found, detail: `batch ${buffer}: ${found.detail}` };
      if (batch !== undefined && !batch.perProcess && !owns(batch.sourceGmadr, batch.dwords * 4))
        return { kind: 'access', detail: `batch ${buffer} was copied from 0x${batch.sourceGmadr.toString(16)}` };
    }
    return null;
  }

  /** Code that was judged in place must not ask for what it may not have; code that wrote itself was not judged. */
  #attempted(fuzzCase: FuzzCase, rig: Rig): Escape | null {
    const judged = fuzzCase.trust === 'ppgtt' || (fuzzCase.trust === 'ring' && fuzzCase.perProcess === 'in-place');
    if (rig.attempt === null || !judged) return null;
    return this.#world.isAsLoaded(fuzzCase) ? rig.attempt : null;
  }
}

/** An answer has a reason or none, and says it in one line. */
function malformed(accepted: boolean, result: ScanResult): Escape | null {
  const wrong = (detail: string): Escape => ({ kind: 'malformed', detail });
  const counts = [result.commands, result.dwords, result.patches, result.unknown];
  if (counts.some((count) => !Number.isSafeInteger(count) || count < 0)) return wrong(`counts ${counts.join(', ')}`);
  if (accepted !== result.ok) return wrong(`returned ${accepted} and says ${result.ok}`);
  if (result.ok)
    return result.code === '' && result.message === '' ? null : wrong(`accepted with code "${result.code}"`);
  if (!Object.hasOwn(SCAN_RULES, result.code)) return wrong(`refused with code "${result.code}"`);
  if (result.message.includes('\n') || !result.message.includes(`[${result.code}]`)) return wrong(result.message);
  return null;
}

/** Two scans of the same memory make the same copies, whoever remembers what. */
function differentCopies({ batches: first }: ScanResult, { batches: again }: ScanResult): Escape | null {
  const differ = (detail: string): Escape => ({ kind: 'again', detail });
  if (first.length !== again.length) return differ(`first ${first.length} copies, again ${again.length}`);
  for (let i = 0; i < first.length; i++) {
    const [one, other] = [first[i]!, again[i]!];
    if (one.sourceGmadr !== other.sourceGmadr || one.dwords !== other.dwords || one.level !== other.level)
      return differ(`copy ${i} is of other dwords`);
    if (one.patchAt.length !== other.patchAt.length) return differ(`copy ${i} is started from other places`);
    for (let dword = 0; dword < one.dwords; dword++)
      if (one.words[dword] !== other.words[dword]) return differ(`copy ${i} differs in dword ${dword}`);
  }
  return null;
}
