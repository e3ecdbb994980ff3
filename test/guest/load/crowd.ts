/** Several guests with a vGPU each on one mediator, and the load program in them. */
import { join } from 'node:path';
import { XengtError } from '../../../src/base/index.js';
import type { MediatorClient } from '../mediator.js';
import type { Provisioned } from '../provision/index.js';
import { Guest } from '../qemu.js';

export interface CrowdOptions {
  readonly client: MediatorClient;
  readonly rig: Provisioned;
  readonly kernel: string;
  readonly type: string;
  readonly memoryMiB: number;
  readonly runFolder: string;
  readonly logFolder: string;
}

/** What a guest measured of its own frames, by the engine's timestamps. */
export interface FrameReport {
  readonly frames: number;
  readonly seconds: number;
  /** From the beginning to the end of each, in all. */
  readonly gpuUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly longestUs: number;
}

/** A step's end comes late where the processors are busy with everybody else's. */
const GRACE_MS = 120_000;

/** Numbers of a line `XENGT-LOAD name=value …`. */
function numbersOf(lines: readonly string[]): (name: string) => number {
  const line = lines.find((one) => one.includes('XENGT-LOAD '));
  if (line === undefined)
    throw new XengtError('XENGT_E_IO', `the load program says nothing:\n  ${lines.slice(-5).join('\n  ')}`);
  return (name) => Number(new RegExp(`\\b${name}=([\\d.]+)`).exec(line)?.[1] ?? Number.NaN);
}

export class Member {
  constructor(
    readonly name: string,
    readonly vgpuId: number,
    readonly guest: Guest,
  ) {}

  /** Keeps the render engine busy with frames of `frameUs`, `queued` of them waiting. */
  async frames(frameUs: number, seconds: number, queued: number): Promise<FrameReport> {
    const words = `frames ${frameUs} ${seconds} ${queued}`;
    const value = numbersOf(await this.guest.mustStep('load', words, seconds * 1000 + GRACE_MS));
    return {
      frames: value('frames'),
      seconds: value('seconds'),
      gpuUs: value('gpu_us'),
      p50Us: value('p50_us'),
      p90Us: value('p90_us'),
      p99Us: value('p99_us'),
      longestUs: value('longest_us'),
    };
  }

  /** Hangs the render engine again and again, until the time is over or the driver takes no more. @returns how long each lasted, ms */
  async hangs(everyMs: number, seconds: number, how: 'loop' | 'wait'): Promise<number[]> {
    const { lines } = await this.guest.step('load', `hang ${everyMs} ${seconds} ${how}`, seconds * 1000 + GRACE_MS);
    return lines.flatMap((line) => {
      const ms = /XENGT-HANG ms=(\d+)/.exec(line)?.[1];
      return ms === undefined ? [] : [Number(ms)];
    });
  }

  /** How often the guest's driver looks whether its engines get on. */
  async setHeartbeat(ms: number): Promise<void> {
    await this.guest.mustStep(
      'sh',
      `for file in /sys/class/drm/card*/engine/*/heartbeat_interval_ms; do echo ${ms} > $file; done`,
    );
  }
}

const socketOf = (options: CrowdOptions, name: string): string => join(options.runFolder, `${name}.sock`);

/** Makes a vGPU and boots a guest on it to i915's probe. */
export async function bootMember(options: CrowdOptions, name: string): Promise<Member> {
  const { client, type } = options;
  const { id } = await client.createVgpu({ name, type, monitor: false, socket: socketOf(options, name) });
  return new Member(name, id, await boot(options, name, name));
}

/** Boots another guest on the vGPU of one that is gone. */
export async function bootAgain(options: CrowdOptions, { name, vgpuId }: Member): Promise<Member> {
  return new Member(name, vgpuId, await boot(options, name, `${name}-again`));
}

async function boot(options: CrowdOptions, vgpuName: string, name: string): Promise<Guest> {
  const { rig, kernel, memoryMiB, logFolder } = options;
  const image = rig.images.get(kernel);
  if (image === undefined) throw new XengtError('XENGT_E_CONFIG', `${kernel} was not provisioned`);
  const socket = socketOf(options, vgpuName);
  // Reading out a hung GPU through a trapped aperture is a million accesses.
  const append = 'i915.error_capture=0';
  const guest = new Guest({ name, qemuRoot: rig.qemuRoot, image, socket, memoryMiB, append, logFolder });
  try {
    await guest.booted();
    await guest.mustStep('probe');
  } catch (error) {
    guest.kill();
    throw error;
  }
  return guest;
}
