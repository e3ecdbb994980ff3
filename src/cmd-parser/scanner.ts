/**
 * The scanner: decides whether a guest's command stream may run, and makes it safe to run by patching the private copy that
 * it was given. Ring contents and workaround buffers are scanned in place; privileged batches are copied out of the guest
 * first. Nothing that was not scanned is executed with privilege.
 */
import {
  BBS_PREDICATE,
  type CommandTable,
  compileCommands,
  ENGINES,
  type EngineId,
  type Platform,
} from '../hw/index.js';
import type { Trust } from './command-policy.js';
import { ACTION_ALLOW, ACTION_PIPE_CONTROL, ACTIONS } from './handlers.js';
import { PC_AUDITED } from './memory-handlers.js';
import { compileRegisterPolicy } from './register-policy.js';
import { DONE, GO_ON, MOVED, type Next, REFUSED, ScanState } from './scan-state.js';
import {
  ACTION_SHIFT,
  BIAS_SHIFT,
  compileScanTable,
  FIELD8_MIN,
  FIELD8_SPAN,
  FIELD8_SPAN_SHIFT,
  GAPS,
  ONE_DWORD,
  type ScanTable,
  UNKNOWN,
  WIDTH_SHIFT,
} from './scan-table.js';
import {
  type BatchInput,
  type BatchPatch,
  resetScanResult,
  type ScanInput,
  type ScanResult,
  type ShadowBatch,
} from './types.js';

/** What judges the streams of one engine. */
class EngineScanner {
  readonly commands: CommandTable;
  readonly state: ScanState;
  readonly #tables: Partial<Record<Trust, ScanTable>> = {};

  constructor(
    private readonly platform: Platform,
    private readonly engine: EngineId,
    private readonly cmdAccess: Uint8Array,
  ) {
    this.commands = compileCommands(platform, engine);
    this.state = new ScanState(this.table('ring'), (trust) => this.table(trust));
  }

  /** Tables are compiled when a stream of their trust is first met: most are never needed. */
  table(trust: Trust): ScanTable {
    let table = this.#tables[trust];
    if (table === undefined) {
      const registers = compileRegisterPolicy(this.platform, this.engine, trust, this.cmdAccess);
      table = compileScanTable(this.commands, trust, registers);
      this.#tables[trust] = table;
    }
    return table;
  }
}

export class Scanner {
  readonly platform: Platform;
  /** Made when an engine's stream is first met. */
  readonly #engines: (EngineScanner | undefined)[] = [];
  readonly #cmdAccess: Uint8Array;

  /** @param cmdAccess CMD_ACCESS and CMD_PATCH bits of every register, by dword offset */
  constructor(platform: Platform, cmdAccess: Uint8Array) {
    this.platform = platform;
    this.#cmdAccess = cmdAccess;
  }

  #engine(engine: EngineId): EngineScanner {
    let scanner = this.#engines[engine];
    if (scanner === undefined) {
      scanner = new EngineScanner(this.platform, engine, this.#cmdAccess);
      this.#engines[engine] = scanner;
    }
    return scanner;
  }

  tableOf(engine: EngineId): CommandTable {
    return this.#engine(engine).commands;
  }

  /**
   * Judges ring contents or a workaround buffer, and the batches that they start.
   * @returns whether the stream may run; `out` says why not, or what must be executed instead of the guest's own buffers
   */
  scan(input: ScanInput, out: ScanResult): boolean {
    const engine = this.#engine(input.engine);
    const s = engine.state;
    resetScanResult(out);
    try {
      return conclude(s, out, s.beginRing(input, engine.table(input.trust), out));
    } finally {
      s.release();
    }
  }

  /** Judges a batch by itself. @returns whether it may run at that trust */
  scanBatch(input: BatchInput, out: ScanResult): boolean {
    const engine = this.#engine(input.engine);
    const s = engine.state;
    resetScanResult(out);
    try {
      return conclude(s, out, s.beginBatch(input, engine.table(input.trust), out));
    } finally {
      s.release();
    }
  }
}

function conclude(s: ScanState, out: ScanResult, begun: Next): boolean {
  if ((begun === MOVED ? run(s) : begun) === DONE) findLoop(s);
  out.commands += s.reuse.commands;
  out.ok = out.code === '';
  return out.ok;
}

/** Walks window by window, command by command. @returns DONE or REFUSED */
function run(s: ScanState): Next {
  let commands = 0;
  let next: Next = MOVED;
  while (next === MOVED) {
    const { table } = s;
    const { entries } = table;
    const { words } = s;
    // integers to the compiler as well: a position that was ever computed as a double doubles the time of the loop
    const end = s.end | 0;
    let at = s.at | 0;
    let last = at;
    next = GO_ON;
    while (at < end) {
      let header = 0;
      let entry = 0;
      // nothing is called in this loop, so the compiler keeps all of it in machine registers
      while (at < end) {
        header = words[at]!;
        entry = entries[header >>> 16]!;
        const field = header & 0xff;
        if ((field - (entry & FIELD8_MIN)) >>> 0 <= ((entry >>> FIELD8_SPAN_SHIFT) & FIELD8_SPAN)) {
          last = at;
          at += field + 2;
        } else if (entry === ONE_DWORD) {
          last = at;
          at++;
        } else break;
        commands++;
      }
      if (at >= end) break;
      last = at;
      commands++;
      s.at = at;
      if ((entry & FIELD8_MIN) !== FIELD8_MIN) {
        next = s.refuse('length', `${(header & 0xff) + 2} dwords`);
        break;
      }
      if (entry === UNKNOWN) {
        next = refuseUnknown(s);
        break;
      }
      const id = table.ids[header >>> 16]!;
      // of the entry the shift takes five bits, which are the width
      const length = (header & ((1 << (entry >>> WIDTH_SHIFT)) - 1)) + ((entry >>> BIAS_SHIFT) & 31);
      if (length < table.least[id]! || length > table.most[id]! || ((entry & GAPS) !== 0 && isGap(table, id, length))) {
        next = s.refuse('length', `${length} dwords`);
        break;
      }
      const action = entry >>> ACTION_SHIFT;
      if (action === ACTION_ALLOW) {
        at += length;
        continue;
      }
      if (at + length > end) {
        next = s.need(length);
        if (next === MOVED) commands--;
        break;
      }
      // most of them ask for nothing that must be looked at
      if (action !== ACTION_PIPE_CONTROL || (words[at + 1]! & PC_AUDITED) !== 0) {
        s.id = id;
        s.commands = commands;
        next = ACTIONS[action]!(s, at, length);
        if (next !== GO_ON) break;
      }
      at += length;
    }
    if (next === GO_ON) {
      s.at = last;
      next = s.refill(at);
    } else if (next === REFUSED) commands--;
    if (next === REFUSED) s.abandon(at);
  }
  s.result.commands = commands;
  return next;
}

const isGap = (table: ScanTable, id: number, length: number): boolean => !table.totals[id]!.includes(length);

function refuseUnknown(s: ScanState): Next {
  const { platform, engine } = s.table.commands;
  return s.refuse('unknown-command', `no ${ENGINES[engine]!.name} command of ${platform.name} has this header`);
}

/**
 * Whether the copies lead back to one that is still being executed. Privileged ones must not, but by a predicated jump: so does
 * i915 wait for a time to pass (public i915_perf.c, alloc_noa_wait). A process may run in circles, as long as its time lasts.
 */
function findLoop(s: ScanState): void {
  const { batches } = s.result;
  if (!batches.some(({ patchAt }) => patchAt.some(({ batch }) => batch >= 0))) return;
  if (!inCircles(batches, false).some((count) => count > 0)) return;
  s.result.loop = true;
  const waiting = inCircles(batches, true);
  const looping = waiting.findIndex((count) => count > 0);
  const target = batches[looping];
  if (target === undefined || target.perProcess) return;
  // it waits for one that waits itself: the others have been counted off
  const origin = target.patchAt.find((from) => waiting[from.batch]! > 0 && !isPredicated(batches, from))!;
  s.blame(origin.batch, origin.dword - 1);
  s.refuse('batch-loop', `it jumps back to GMADR 0x${target.sourceGmadr.toString(16)}`, target.sourceGmadr);
}

/** Of each batch, how many jumps lead to it from batches that lie in a circle, or behind one. */
function inCircles(batches: readonly ShadowBatch[], predicatedMay: boolean): Int32Array {
  const counts = (from: BatchPatch): boolean => from.batch >= 0 && !(predicatedMay && isPredicated(batches, from));
  const waiting = new Int32Array(batches.length);
  batches.forEach(({ patchAt }, i) => {
    waiting[i] = patchAt.filter(counts).length;
  });
  const ready: number[] = [];
  waiting.forEach((count, i) => {
    if (count === 0) ready.push(i);
  });
  for (let i = ready.pop(); i !== undefined; i = ready.pop()) {
    batches.forEach((target, t) => {
      for (const from of target.patchAt) if (from.batch === i && counts(from) && --waiting[t]! === 0) ready.push(t);
    });
  }
  return waiting;
}

/** The jump, whose address is at `from`. */
const isPredicated = (batches: readonly ShadowBatch[], from: BatchPatch): boolean =>
  (batches[from.batch]!.words[from.dword - 1]! & BBS_PREDICATE) !== 0;
