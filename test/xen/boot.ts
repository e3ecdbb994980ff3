/**
 * The machine: QEMU's software emulation of an AMD processor with nested paging, on it stock Xen and a PV dom0. dom0's
 * PID 1 (dom0/init.sh) takes commands over a virtio-serial port, which is QEMU's standard input and output here.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { XengtError } from '../../src/base/index.js';
import { Child } from '../guest/child.js';
import { Follower } from './follow.js';
import { lookAtProcessor } from './monitor.js';
import { buildPayload, qemu, type XenRig } from './provision/index.js';

export interface MachineOptions {
  readonly rig: XenRig;
  /** The folder that dom0 sees as /share; logs of all sides. */
  readonly share: string;
  /** For the payload's image; short-lived. */
  readonly runFolder: string;
  readonly memoryMiB?: number;
  /** A TCP port of the host that reaches one of dom0's; none: dom0 has no network. */
  readonly forward?: { readonly host: number; readonly dom0: number };
  readonly onLine?: (line: string) => void;
}

export interface CommandResult {
  readonly code: number;
  readonly lines: readonly string[];
}

/** dom0's PCI device with a memory BAR whose bytes are a file of the host: it stands for a GPU's physical aperture. */
export const APERTURE_BAR = '0000:00:08.0/2';
export const APERTURE_MIB = 256;

const DEFAULT_MEMORY_MIB = 4096;
const DOM0_MIB = 1536;
/** Alone 10 s; several runs and a busy machine share the host's cores. */
const BOOT_LIMIT_MS = 180_000;
const OFF_LIMIT_MS = 30_000;
/** dom0's shell, the port and the timer of `timeout` under emulation. */
const SLACK_MS = 30_000;

/**
 * What stock Xen cannot stand of the emulated processor: with SMAP dom0 faults at its first return to user space, with
 * MONITOR Xen's idle loop panics, with RDTSCP an HVM guest's emulated instruction never completes.
 */
const CPU = 'EPYC,-smap,-monitor,-rdtscp';
/** With XSAVE some copies of vector registers came out wrong while a guest ran; without it none did (docs/xen-rig.md). */
const XEN_LINE = `xsave=0 console=com1 com1=115200,8n1 loglvl=info guest_loglvl=info conring_size=256k dom0_mem=${DOM0_MIB}M,max:${DOM0_MIB}M dom0_max_vcpus=1`;
/** dom0 must not take the emulated TSC, which it may find unstable, for its clock. No commas: QEMU separates the modules of `-initrd` with them. */
const DOM0_LINE = 'console=hvc0 earlyprintk=xen loglevel=7 clocksource=xen mitigations=off nokaslr';

function disk(id: string, path: string, snapshot: boolean): string[] {
  const access = snapshot ? 'snapshot=on' : 'readonly=on';
  const drive = `file=${path},if=none,id=${id},format=raw,${access}`;
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=${id},disable-legacy=on`];
}

function apertureDevice(file: string): string[] {
  const memory = `memory-backend-file,id=aperture,mem-path=${file},size=${APERTURE_MIB}M,share=on`;
  return ['-object', memory, '-device', 'ivshmem-plain,memdev=aperture,addr=08.0'];
}

/**
 * The host's processor that the machine's threads share, the last of those that this process may use.
 *
 * With two, QEMU 7.2 loses interrupts: VMRUN with a virtual interrupt pending sets its bit in the CPU's request word by a plain `or`
 * (target/i386/tcg/sysemu/svm_helper.c), while the thread of the timers sets another bit there. Xen's timer interrupt then stays
 * in the local APIC until a device interrupts, and what Xen runs meanwhile, firmware that waits for dom0, runs for ever. One
 * processor's threads cannot come between the read and the write of one instruction.
 */
function oneProcessor(): string {
  const allowed = /^Cpus_allowed_list:\s*(?:.*[,-])?(\d+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return allowed?.[1] ?? '0';
}

function monitorOf(runFolder: string): string {
  return join(runFolder, 'monitor');
}

function machineArguments(options: MachineOptions, payload: string, aperture: string): string[] {
  const { rig, share, runFolder, forward } = options;
  const args = ['-M', 'q35', '-accel', 'tcg,thread=multi', '-cpu', CPU, '-smp', '1'];
  args.push('-m', `${options.memoryMiB ?? DEFAULT_MEMORY_MIB}`, '-display', 'none', '-vga', 'none', '-monitor', 'none');
  args.push('-qmp', `unix:${monitorOf(runFolder)},server=on,wait=off`);
  args.push('-no-reboot', '-serial', `file:${join(share, 'boot.log')}`);
  args.push('-kernel', rig.dom0.xen, '-append', XEN_LINE);
  args.push('-initrd', `${rig.dom0.kernel.vmlinuz} ${DOM0_LINE},${rig.initramfs}`);
  args.push(...disk('root', rig.dom0.disk, true), ...disk('payload', payload, false));
  args.push('-virtfs', `local,path=${share},mount_tag=share,security_model=none`);
  args.push('-chardev', 'stdio,id=control,signal=off', '-device', 'virtio-serial-pci,disable-legacy=on');
  args.push('-device', 'virtserialport,chardev=control,nr=1,name=control');
  args.push(...apertureDevice(aperture));
  if (forward === undefined) args.push('-nic', 'none');
  else {
    const rule = `hostfwd=tcp:127.0.0.1:${forward.host}-:${forward.dom0}`;
    args.push('-netdev', `user,id=net,restrict=on,${rule}`);
    args.push('-device', 'virtio-net-pci,netdev=net,romfile=,disable-legacy=on');
  }
  return args;
}

/** dom0 says every 2 s that it runs; after so long without, the machine has stopped. */
const STANDSTILL_MS = 90_000;
const LOOK_MS = 5000;

export class Machine {
  readonly rig: XenRig;
  readonly share: string;
  /** The file with the bytes of APERTURE_BAR. */
  readonly aperture: string;
  readonly #monitor: string;
  readonly #child: Child;
  readonly #boot: Follower;
  #number = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: MachineOptions, aperture: string, child: Child, boot: Follower) {
    this.rig = options.rig;
    this.share = options.share;
    this.#monitor = monitorOf(options.runFolder);
    this.aperture = aperture;
    this.#child = child;
    this.#boot = boot;
  }

  /** Until dom0 takes commands. */
  static async boot(options: MachineOptions): Promise<Machine> {
    const { rig, share, runFolder } = options;
    const payload = join(runFolder, 'payload.ext4');
    const aperture = join(runFolder, 'aperture');
    await buildPayload(rig.tools, payload, join(runFolder, 'payload'));
    const { command, args, env } = qemu(rig.tools);
    const child = new Child({
      name: 'the Xen machine',
      command: 'taskset',
      args: ['--cpu-list', oneProcessor(), command, ...args, ...machineArguments(options, payload, aperture)],
      // QEMU keeps there what dom0 writes to its disk, until it ends.
      env: { ...env, TMPDIR: runFolder },
      logFile: join(share, 'control.log'),
    });
    const boot = new Follower(join(share, 'boot.log'), options.onLine);
    void child.exited.then(() => boot.close('the Xen machine ended'));
    const machine = new Machine(options, aperture, child, boot);
    try {
      await child.lines.waitFor(/XENGT-DOM0 READY/, BOOT_LIMIT_MS);
      return machine;
    } catch (cause) {
      machine.kill();
      await child.exited;
      const tail = boot.lines.all.slice(-25).join('\n  | ');
      throw new XengtError('XENGT_E_UNAVAILABLE', `The Xen machine did not come up; its console:\n  | ${tail}`, {
        cause,
      });
    }
  }

  get running(): boolean {
    return this.#child.running;
  }

  /** Calls back, once, when the machine has stood still; what its processor did is in `standstill.log` then, and it is killed. */
  watch(onStandstill: () => void): void {
    const heartbeat = join(this.share, 'heartbeat');
    const timer = setInterval(() => {
      if (!this.running) clearInterval(timer);
      else if (existsSync(heartbeat) && Date.now() - statSync(heartbeat).mtimeMs > STANDSTILL_MS) {
        clearInterval(timer);
        void this.#lookAndKill().then(onStandstill);
      }
    }, LOOK_MS);
    timer.unref();
  }

  async #lookAndKill(): Promise<void> {
    writeFileSync(join(this.share, 'standstill.log'), await lookAtProcessor(this.#monitor));
    this.kill();
  }

  /** The serial console: Xen's and dom0's kernel. */
  get console(): readonly string[] {
    this.#boot.poll();
    return this.#boot.lines.all;
  }

  /** A command for dom0's bash; one at a time, in the order of the calls. */
  run(command: string, seconds = 60): Promise<CommandResult> {
    const next = this.#last.then(() => this.#run(command, seconds));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #run(command: string, seconds: number): Promise<CommandResult> {
    const number = ++this.#number;
    const { lines } = this.#child;
    const from = lines.all.length;
    this.#child.write(`${number} ${seconds} ${Buffer.from(command).toString('base64')}\n`);
    const end = await lines.waitFor(new RegExp(`XENGT END ${number} code=(\\d+)$`), seconds * 1000 + SLACK_MS, from);
    const mine = lines.all.slice(from);
    const first = mine.indexOf(`XENGT BEGIN ${number}`);
    const last = mine.findIndex((line) => line.endsWith(end[0]));
    const printed = mine.slice(first + 1, last);
    // The last line of a command need not end with a line break.
    const rest = mine[last]?.slice(0, -end[0].length) ?? '';
    return { code: Number(end[1]), lines: rest === '' ? printed : [...printed, rest] };
  }

  /** As `run`, where anything but exit code 0 is an error. */
  async must(command: string, seconds?: number): Promise<readonly string[]> {
    const { code, lines } = await this.run(command, seconds);
    if (code === 0) return lines;
    const tail = lines.slice(-12).join('\n  ');
    throw new XengtError('XENGT_E_IO', `dom0: "${command}" ended with exit code ${code}\n  ${tail}`);
  }

  /** A file in the share, as dom0 left it. */
  file(name: string): Buffer | undefined {
    const path = join(this.share, name);
    return existsSync(path) ? readFileSync(path) : undefined;
  }

  /** False if the machine had to be killed. */
  async powerOff(): Promise<boolean> {
    if (this.running) this.#child.write('end\n');
    let inTime = true;
    const timer = setTimeout(() => {
      inTime = false;
      this.kill();
    }, OFF_LIMIT_MS);
    await this.#child.exited;
    clearTimeout(timer);
    return inTime;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
