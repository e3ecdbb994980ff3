/** The scan in progress: what handlers see of the buffer, the guest and the result, and the checks that they share. */
import { commandRow, ENGINES } from '../hw/index.js';
import { BatchWalk, COPIED, GO_ON, IN_PLACE, IN_RING, type Next, REFUSED } from './batch-walk.js';
import type { Trust } from './command-policy.js';
import { type ScanCode, STRUCTURAL } from './rules.js';
import type { ScanTable } from './scan-table.js';
import { type BatchInput, type RootTranslator, ruleOf, type ScanInput, type ScanResult } from './types.js';

export { DONE, GO_ON, LEVEL_FIRST, LEVEL_RING, LEVEL_SECOND, MOVED, type Next, REFUSED } from './batch-walk.js';

export class ScanState extends BatchWalk {
  onRegisterWrite: ((offset: number, value: number) => number) | undefined;
  root: RootTranslator | undefined;
  #survey = false;

  /** @returns REFUSED when the buffer itself is not there */
  beginRing(input: ScanInput, table: ScanTable, result: ScanResult): Next {
    this.begin(result, table);
    this.ranges = input.ranges;
    this.hwspPage = input.hwspPage;
    this.ggtt = input.ggtt;
    this.perProcess = input.perProcess;
    this.reuse.begin(input.cache);
    this.onRegisterWrite = input.onRegisterWrite;
    this.root = input.root;
    return this.enterRing(input.words, input.start, input.end);
  }

  /** @returns REFUSED when the batch has no first page */
  beginBatch(input: BatchInput, table: ScanTable, result: ScanResult): Next {
    this.begin(result, table);
    this.ranges = input.ranges;
    this.hwspPage = input.hwspPage;
    this.#survey = input.survey ?? false;
    this.reuse.begin(this.#survey ? undefined : input.cache);
    const { trust, memory } = input;
    const copy = trust !== 'ppgtt' || (input.copy ?? false);
    if (trust !== 'ring') this.perProcess = { trust, memory, copy, space: input.space ?? 0 };
    else this.ggtt = memory;
    return this.enterBatch(input.address, trust !== 'ring', copy);
  }

  override release(): void {
    super.release();
    this.onRegisterWrite = undefined;
    this.root = undefined;
    this.#survey = false;
  }

  get trust(): Trust {
    return this.table.trust;
  }
  /** Whether what is scanned is a private copy of a batch. */
  get copies(): boolean {
    return this.mode === COPIED;
  }
  /** Whether what is scanned is what will run, so that it may be changed. */
  get patches(): boolean {
    return this.mode !== IN_PLACE;
  }
  /** Whether batches of per-process memory are judged. */
  get follows(): boolean {
    return this.perProcess !== undefined;
  }

  /** Whether all of `bytes` from graphics address hi:lo are the guest's own. */
  owns(lo: number, hi: number, bytes: number): boolean {
    if (hi !== 0) return false;
    const { ranges } = this;
    const start = lo >>> 0;
    const end = start + bytes;
    return (start >= ranges.lowStart && end <= ranges.lowEnd) || (start >= ranges.highStart && end <= ranges.highEnd);
  }

  protected override ownsBatch(address: number, bytes: number): boolean {
    return address < 0x100000000 && this.owns(address, 0, bytes);
  }

  /** Audits an access through the global GTT. */
  audit(lo: number, hi: number, bytes: number, verb: string): Next {
    const gmadr = (lo >>> 0) + (hi >>> 0) * 0x100000000;
    if (this.trust === 'ppgtt') return this.refuse('global-select', `it ${verb} global memory`, gmadr);
    if (this.owns(lo, hi, bytes)) return GO_ON;
    return this.refuse(
      'address',
      `it ${verb} ${bytes} bytes at GMADR 0x${gmadr.toString(16)}, outside the own ranges`,
      gmadr,
    );
  }

  /** Low and high half of the address of the command at `at`, wherever its row has it. */
  addressLow(at: number): number {
    return this.words[at + this.table.addressAt[this.id]!]!;
  }
  addressHigh(at: number): number {
    return this.table.addressWide[this.id] === 0 ? 0 : this.words[at + this.table.addressAt[this.id]! + 1]!;
  }
  /** First dword of the command in hand behind its address, and dword of its second address. */
  behindAddress(): number {
    return this.table.addressAt[this.id]! + 1 + this.table.addressWide[this.id]!;
  }
  secondAddress(): number {
    return this.table.secondAt[this.id]!;
  }

  /** Replaces dwords by MI_NOOP. */
  neutralise(at: number, length: number): void {
    for (let i = at; i < at + length; i++) this.patch(i, 0);
  }

  /** Refuses the command at `at`. @returns REFUSED, or GO_ON in a survey that can go on */
  refuse(code: ScanCode, detail: string, gmadr = -1, register = -1): Next {
    this.mark(this.at);
    return this.refuseMarked(code, detail, gmadr, register);
  }

  protected override refuseMarked(code: ScanCode, detail: string, gmadr = -1, register = -1): Next {
    if (this.result.code === '') this.#report(code, detail, gmadr, register);
    return this.#survey && !STRUCTURAL.has(code) ? GO_ON : REFUSED;
  }

  /** Makes the command at dword `at` of a copy the one that a refusal names. */
  blame(batch: number, at: number): void {
    const { words, sourceGmadr } = this.result.batches[batch]!;
    this.batch = batch;
    this.words = words;
    this.base = sourceGmadr;
    this.batchAddress = sourceGmadr;
    this.at = at;
  }

  refuseRegister(code: ScanCode, detail: string, offset: number): Next {
    return this.refuse(code, `register 0x${offset.toString(16)} ${detail}`, -1, offset);
  }

  #report(code: ScanCode, detail: string, gmadr: number, register: number): void {
    const { result, header } = this;
    result.code = code;
    result.rule = ruleOf(code);
    result.command = commandRow(this.table.commands, header)?.name ?? 'unknown';
    result.engine = ENGINES[this.table.commands.engine]!.name;
    result.batch = this.batch;
    result.dword = (this.markedAt - this.batchAddress) / 4;
    result.gmadr = gmadr;
    result.register = register;
    if (code === 'unknown-command') result.unknown++;
    result.message =
      `${result.engine} ${this.#where()} dword ${result.dword}: ` +
      `${result.command} (0x${header.toString(16).padStart(8, '0')}) ` +
      `refused [${code}]: ${detail}; rule: ${result.rule}.`;
  }

  #where(): string {
    if (this.batch >= 0 || this.mode !== IN_RING) return `batch 0x${this.batchAddress.toString(16)}`;
    return this.trust === 'wa' ? 'workaround buffer' : 'ring';
  }
}
