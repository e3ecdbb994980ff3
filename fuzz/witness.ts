/**
 * A register bank that watches what commands do to it. The engines' own housekeeping goes past it (get and set); what a
 * command reads or writes comes through read and write, is judged at once, and is undone after the case.
 */
import type { Engine } from '../src/gpu/model/engine.js';
import { RegisterFile } from '../src/gpu/model/registers.js';
import { ENGINES, RING } from '../src/hw/index.js';
import { answerFor, type ShadowRoot } from './answers.js';
import type { Escape } from './escape.js';
import { MAY_CHANGE, MAY_NOTHING, MAY_READ, PrivilegedRegisters } from './privileged-registers.js';

const ROOT_BYTES = 32;
/** What the device itself notes of a page fault, without a command. Source: PRM SKL Vol 2c "RING_FAULT_REG". */
const FAULT_REGISTERS = [0x4094, 0x4b10, 0x4b14];

export class RegisterWitness extends RegisterFile {
  escape: Escape | null = null;
  /** What code without privilege asked for; the model does not grant it. */
  attempt: Escape | null = null;
  readonly #privileged: readonly PrivilegedRegisters[] = ENGINES.map(({ id }) => new PrivilegedRegisters(id));
  readonly #root: ShadowRoot;
  #initial: Uint32Array = new Uint32Array(0);
  #engine: Engine | null = null;
  /** Dwords that were written since the last restore, each once. */
  readonly #written: number[] = [];
  readonly #isWritten = new Uint8Array(this.bank.length);

  constructor(root: ShadowRoot) {
    super();
    this.#root = root;
  }

  /** The device is wired: what the registers hold now is what every case begins with. */
  settle(): void {
    this.#initial = this.bank.slice();
  }

  watch(engine: Engine): void {
    this.#engine = engine;
    this.escape = null;
    this.attempt = null;
  }

  unwatch(): void {
    this.#engine = null;
  }

  override read(offset: number): number {
    const engine = this.#engine;
    // Without privilege hardware answers zero for what is not open; that is its business.
    if (engine?.privileged) this.#judgeRead(engine, offset);
    return super.read(offset);
  }

  override write(offset: number, value: number): void {
    const engine = this.#engine;
    if (engine !== null) this.#judgeWrite(engine, offset, value);
    this.#note(offset);
    super.write(offset, value);
  }

  attemptWrite(engine: Engine, offset: number): void {
    if (this.#privileged[engine.row.id]!.rightsOf(offset) === MAY_CHANGE) return;
    const detail = `code without privilege asked to set register 0x${offset.toString(16)} of ${engine.row.name}`;
    this.attempt ??= { kind: 'unprivileged-write', detail };
  }

  attemptGlobal(engine: Engine): void {
    const where = `0x${engine.stream.address.toString(16)}`;
    this.attempt ??= { kind: 'unprivileged-global', detail: `code before ${where} asked for the global GTT` };
  }

  /** Puts back what commands changed. */
  restore(): void {
    for (const dword of this.#written) {
      this.bank[dword] = this.#initial[dword]!;
      this.#isWritten[dword] = 0;
    }
    this.#written.length = 0;
    for (const offset of FAULT_REGISTERS) this.bank[offset >>> 2] = this.#initial[offset >>> 2]!;
  }

  /** Registers that differ from how a case begins, by offset: for a look at all of them, now and then. */
  differences(): number[] {
    const found: number[] = [];
    for (let dword = 0; dword < this.bank.length; dword++)
      if (this.bank[dword] !== this.#initial[dword]) found.push(dword * 4);
    return found;
  }

  #note(offset: number): void {
    const dword = offset >>> 2;
    if (this.#isWritten[dword] !== 0 || dword >= this.bank.length) return;
    this.#isWritten[dword] = 1;
    this.#written.push(dword);
  }

  #judgeRead(engine: Engine, offset: number): void {
    const privileged = this.#privileged[engine.row.id]!;
    if (privileged.rightsOf(offset) !== MAY_NOTHING && !privileged.isRoot(offset, engine.row.id)) return;
    this.#found('register-read', engine, offset, 'was read');
  }

  #judgeWrite(engine: Engine, offset: number, value: number): void {
    const rights = this.#privileged[engine.row.id]!.rightsOf(offset);
    if (rights === MAY_CHANGE) return;
    if (rights !== MAY_NOTHING && rights !== MAY_READ && this.#isAsTold(engine, offset, value)) return;
    this.#found('register-write', engine, offset, `was set to 0x${value.toString(16)}`);
  }

  /** Roots hold the shadow's root or nothing; the others what whoever answers for them says. */
  #isAsTold(engine: Engine, offset: number, value: number): boolean {
    const { id, mmioBase } = engine.row;
    const root = offset - mmioBase - RING.PDP0_LDW;
    if (root >= 0 && root < ROOT_BYTES) return value === (root === 0 ? this.#root.lo : root === 4 ? this.#root.hi : 0);
    return value === answerFor(id, offset);
  }

  #found(kind: string, engine: Engine, offset: number, what: string): void {
    this.escape ??= { kind, detail: `register 0x${offset.toString(16)} ${what} by a command of ${engine.row.name}` };
  }
}
