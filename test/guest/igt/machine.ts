/**
 * A guest that runs IGT subtests one after the other. It is booted when it is first needed and again after one that failed
 * or did not end, so that no subtest is judged by what another left behind.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import type { MediatorClient } from '../mediator.js';
import type { DiskProvisioned } from '../provision/index.js';
import { Guest } from '../qemu.js';
import { type Subtest, titleOf } from './lists.js';
import { INVALID, type Outcome, reasonIn, saidSuccess, type Verdict, verdictOf } from './outcome.js';

export interface IgtOptions {
  readonly client: MediatorClient;
  readonly rig: DiskProvisioned;
  readonly runFolder: string;
  readonly logFolder: string;
  readonly memoryMiB: number;
  /** For one subtest. */
  readonly limitSeconds: number;
}

/** Half of the smallest device's aperture, and fences enough for the tests that use several at once. */
const VGPU = { name: 'igt', lowMiB: 256, highMiB: 1024, fences: 16, monitor: true };
/** A subtest that was told to end and the machine's own slowness. */
const GRACE_SECONDS = 60;
const DETACH_LIMIT_MS = 60_000;

interface Done {
  readonly code: number | null;
  readonly log: string;
}

/** By its name: of a test that is run as a whole only the test's name tells. */
export function putsToSleep({ test, subtest }: Subtest): boolean {
  return /suspend|hibernate|(^|-)s[34]\b/i.test(`${test} ${subtest}`);
}

export class IgtMachine {
  readonly #options: IgtOptions;
  /** The folder that guests write the tests' output to. */
  readonly #share: string;
  #guest: Guest | null = null;
  #boots = 0;
  #socket = '';
  #vgpuId = 0;

  constructor(options: IgtOptions) {
    this.#options = options;
    this.#share = join(options.logFolder, 'igt');
    mkdirSync(this.#share, { recursive: true });
  }

  get limitSeconds(): number {
    return this.#options.limitSeconds;
  }

  get boots(): number {
    return this.#boots;
  }

  async run(wanted: Subtest): Promise<Outcome> {
    const outcome = await this.#try(wanted);
    const { state, reason, lastDropped } = await this.#options.client.vgpu(this.#vgpuId);
    // Whatever the test thinks of it: a guest that has lost its device has not passed, and all that follows would be judged by it.
    const lost = state === 'failsafe';
    if (!lost && outcome.verdict !== 'fail' && outcome.verdict !== 'timeout') return outcome;
    this.#drop();
    // What the mediator has against the guest is the cause.
    const dropped = lastDropped === null ? '' : `; the mediator dropped work: ${lastDropped}`;
    return {
      ...outcome,
      verdict: outcome.verdict === 'timeout' ? 'timeout' : 'fail',
      reason: `${outcome.reason}${lost ? `; the vGPU is in failsafe: ${reason}` : dropped}`,
    };
  }

  async #try(wanted: Subtest): Promise<Outcome> {
    const guest = await this.#ready();
    const started = performance.now();
    let { code, log } = await this.#once(guest, wanted);
    if (code === INVALID && wanted.subtest !== '' && /^Unknown subtest: /m.test(log)) {
      // A list may name numbered subtests by what comes before the number.
      ({ code, log } = await this.#once(guest, { test: wanted.test, subtest: `${wanted.subtest}*` }));
    }
    const seconds = (performance.now() - started) / 1000;
    let verdict: Verdict = code === null ? 'timeout' : verdictOf(code);
    // A signal before the time was up is the test's own end: one of its children was killed.
    if (verdict === 'timeout' && seconds < this.limitSeconds) verdict = 'fail';
    // Some programs spend minutes on the subtests around the one that they were to run: they are ended, it has its verdict.
    if (verdict === 'timeout' && saidSuccess(log, wanted.subtest)) {
      verdict = 'pass';
      this.#drop();
    }
    return { verdict, seconds, reason: reasonIn(verdict, log) };
  }

  /** Names of the tests that begin with one of `words`. */
  async tests(words: readonly string[]): Promise<string[]> {
    const guest = await this.#ready();
    await guest.mustStep('igt-list', words.join(' '));
    return this.#read('tests')
      .split('\n')
      .filter((line) => line !== '');
  }

  /** Names of a test's subtests; none where it has none. */
  async subtests(test: string): Promise<string[]> {
    const guest = await this.#ready();
    await guest.step('igt-subtests', test);
    return this.#read(`${test}.subtests`)
      .split('\n')
      .filter((line) => /^\S+$/.test(line));
  }

  /**
   * Runs some subtests of a test, or all of it, in one process.
   * @returns its exit code, null if it did not end; its output; why the mediator gave the guest up, if it did
   */
  async runMany(test: string, subtests: readonly string[]): Promise<Done & { failsafe: string | null }> {
    const guest = await this.#ready();
    writeFileSync(join(this.#share, `${test}.wanted`), subtests.join(','));
    const sleeps = subtests.some((subtest) => putsToSleep({ test, subtest }));
    const done = await this.#once(guest, { test, subtest: subtests.length === 0 ? '' : '+' }, sleeps);
    const { state, reason } = await this.#options.client.vgpu(this.#vgpuId);
    const failsafe = state === 'failsafe' ? (reason ?? '') : null;
    const ended = failsafe === null && done.code !== null && verdictOf(done.code) !== 'timeout';
    if (!ended || !(await this.#hasDriver(guest))) this.#drop();
    return { ...done, failsafe };
  }

  /** Some tests take the driver out; where it did not come back, those that follow would find no device. */
  async #hasDriver(guest: Guest): Promise<boolean> {
    try {
      return (await guest.step('sh', 'test -e /dev/dri/card0', GRACE_SECONDS * 1000)).code === 0;
    } catch (error) {
      if (!(error instanceof XengtError)) throw error;
      return false;
    }
  }

  #read(name: string): string {
    const file = join(this.#share, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  /** The kernel's complaints during a subtest that has just been run. */
  kernelLog(subtest: Subtest): string[] {
    return this.#read(`${titleOf(subtest)}.kernel`).split('\n');
  }

  async stop(): Promise<void> {
    await this.#guest?.powerOff();
    this.#guest = null;
  }

  async #once(guest: Guest, subtest: Subtest, sleeps = putsToSleep(subtest)): Promise<Done> {
    const { limitSeconds } = this.#options;
    let code: number | null = null;
    try {
      const argument = `${limitSeconds} ${subtest.test} ${subtest.subtest}`.trimEnd();
      ({ code } = await guest.step(sleeps ? 'igt-apart' : 'igt', argument, (limitSeconds + GRACE_SECONDS) * 1000));
    } catch (error) {
      // A guest that says nothing more: the subtest has taken it along.
      if (!(error instanceof XengtError)) throw error;
    }
    return { code, log: this.#read(titleOf(subtest)) };
  }

  async #ready(): Promise<Guest> {
    if (this.#guest?.running === true) return this.#guest;
    const { client, rig, runFolder, logFolder, memoryMiB } = this.#options;
    if (this.#socket === '') {
      this.#socket = join(runFolder, 'igt.sock');
      this.#vgpuId = (await client.createVgpu({ ...VGPU, socket: this.#socket })).id;
    }
    // A guest that was killed is still there until the mediator has seen its socket close.
    await client.reaches(this.#vgpuId, 'waiting', DETACH_LIMIT_MS);
    this.#boots++;
    const guest = new Guest({
      name: `igt-${this.#boots}`,
      qemuRoot: rig.qemuRoot,
      image: rig.image,
      socket: this.#socket,
      memoryMiB,
      disk: rig.disk,
      share: this.#share,
      // A store through the aperture must not land after a later store of the CPU's to the same memory.
      noPostedWrites: true,
      logFolder,
    });
    this.#guest = guest;
    await guest.booted();
    await guest.mustStep('probe');
    await guest.mustStep('igt-setup');
    return guest;
  }

  #drop(): void {
    this.#guest?.kill();
    this.#guest = null;
  }
}
