/** One guest with a vGPU of its own that runs programs from the disk, and what became of each. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import { complaints } from '../kernel-log.js';
import type { MediatorClient } from '../mediator.js';
import type { DiskProvisioned } from '../provision/index.js';
import { Guest } from '../qemu.js';
import type { Program } from './programs.js';

export interface MachineOptions {
  readonly name: string;
  readonly client: MediatorClient;
  readonly rig: DiskProvisioned;
  readonly runFolder: string;
  readonly logFolder: string;
  readonly memoryMiB: number;
}

export interface Ran {
  readonly seconds: number;
  /** null: as it must be. */
  readonly wrong: string | null;
  /** The kernel's complaints meanwhile. */
  readonly complaints: readonly string[];
}

/** A processor with SSE 4.2: Intel's VA-API driver is compiled for one, and so is each that has such a GPU. */
const CPU = 'Nehalem';
/** Two of these fit any device. */
const VGPU = { lowMiB: 128, highMiB: 512, fences: 8, monitor: true };
/** For a program that was told to end, and the machine's own slowness. */
const GRACE_SECONDS = 60;
/** What busybox timeout answers for a program that it ended. */
const TIMED_OUT = [124, 137, 143];

export class MesaMachine {
  readonly vgpuId: number;
  readonly #client: MediatorClient;
  readonly #guest: Guest;
  readonly #share: string;

  private constructor(client: MediatorClient, guest: Guest, share: string, vgpuId: number) {
    this.#client = client;
    this.#guest = guest;
    this.#share = share;
    this.vgpuId = vgpuId;
  }

  /** Boots the guest, binds i915 and mounts the disk. */
  static async start(options: MachineOptions): Promise<MesaMachine> {
    const { name, client, rig, runFolder, logFolder, memoryMiB } = options;
    const socket = join(runFolder, `${name}.sock`);
    const { id } = await client.createVgpu({ ...VGPU, name, socket });
    const share = join(logFolder, name);
    mkdirSync(share);
    const { qemuRoot, image, disk } = rig;
    const guest = new Guest({ name, qemuRoot, image, socket, memoryMiB, cpu: CPU, disk, share, logFolder });
    try {
      await guest.booted();
      await guest.mustStep('probe');
      await guest.mustStep('mesa-setup');
    } catch (error) {
      guest.kill();
      throw error;
    }
    return new MesaMachine(client, guest, share, id);
  }

  /** What the mediator has against the guest's work, if anything. */
  async dropped(): Promise<string[]> {
    const { lastDropped } = await this.#client.vgpu(this.vgpuId);
    return lastDropped === null ? [] : [`the mediator dropped work: ${lastDropped}`];
  }

  get running(): boolean {
    return this.#guest.running;
  }

  async run(program: Program): Promise<Ran> {
    const { name, command, seconds: limit } = program;
    const started = performance.now();
    const before = await this.#engineSeconds();
    const wrong = (await this.#outcome(program, `${limit} ${name} ${command}`)) ?? (await this.#lazy(program, before));
    const seconds = (performance.now() - started) / 1000;
    return { seconds, wrong, complaints: complaints(this.#read(`${name}.kernel`).split('\n')) };
  }

  async #outcome(program: Program, argument: string): Promise<string | null> {
    let code: number;
    try {
      ({ code } = await this.#guest.step('program', argument, (program.seconds + GRACE_SECONDS) * 1000));
    } catch (error) {
      if (!(error instanceof XengtError)) throw error;
      this.#guest.kill();
      return `the guest says nothing more: ${error.message}`;
    }
    const output = this.#read(program.name);
    const last = output
      .trimEnd()
      .split('\n')
      .slice(-4)
      .map((line) => line.slice(0, 200))
      .join('\n        ');
    if (TIMED_OUT.includes(code)) return `not at its end after ${program.seconds} s\n        ${last}`;
    if (code !== 0) return `exit code ${code}\n        ${last}`;
    const reason = program.judge(output);
    return reason === null ? null : `${reason}\n        ${last}`;
  }

  /** GPU time that this guest was charged so far, by engine. */
  async #engineSeconds(): Promise<Map<string, number>> {
    const engines = await this.#client.engines();
    return new Map(engines.map(({ name, perVgpu }) => [name, perVgpu[`${this.vgpuId}`] ?? 0]));
  }

  /** null if the program kept the GPU at work for as long as its frames take. */
  async #lazy(program: Program, before: ReadonlyMap<string, number>): Promise<string | null> {
    const after = await this.#engineSeconds();
    for (const [engine, least] of Object.entries(program.gpuSeconds)) {
      const seconds = (after.get(engine) ?? 0) - (before.get(engine) ?? 0);
      if (seconds < least) return `${engine} was at work for ${seconds} s only; its frames take at least ${least}`;
    }
    return null;
  }

  #read(name: string): string {
    const file = join(this.#share, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  dmesg(): Promise<string[]> {
    return this.#guest.dmesg();
  }

  /** False if it had to be killed. */
  stop(): Promise<boolean> {
    return this.#guest.powerOff();
  }
}
