/** An HVM guest in the machine: made by xl from a configuration file, followed and commanded by its Xen console. */
import { copyFileSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { XengtError } from '../../src/base/index.js';
import { encodeArgument, type StepResult } from '../guest/qemu.js';
import type { Machine } from './boot.js';
import { Follower } from './follow.js';
import type { GuestDisk } from './provision/guest-disk.js';

export interface XenGuestOptions {
  readonly machine: Machine;
  /** Unique in a run: Xen's console log goes by it. */
  readonly name: string;
  readonly disk: GuestDisk;
  readonly memoryMiB?: number;
  /** What the guest asks the daemon for, such as `type=V5_4`; none: a guest without a vGPU. */
  readonly vgpu?: string;
  /** Gives a paused domain its vGPU, as an operator does by hand; the domain then goes on. */
  readonly attach?: (domid: number) => Promise<void>;
  readonly onLine?: (line: string) => void;
}

const DEFAULT_MEMORY_MIB = 384;
const CREATE_LIMIT_S = 180;
const BOOT_LIMIT_MS = 300_000;
const OFF_LIMIT_MS = 90_000;
/** Where the project is in dom0. */
export const PAYLOAD = '/opt/xengt';

const quoted = (text: string): string => `"${text}"`;

/**
 * The guest's xl.cfg. The platform device would take 00:02.0, the slot of an integrated GPU and so of a vGPU; the guest
 * needs it for nothing here. The disk's slot is named for the same reason.
 */
export function guestConfiguration(options: XenGuestOptions, image: string): string {
  const drive = `file=${image},if=none,id=disk0,format=raw,readonly=on`;
  const args = ['-drive', drive, '-device', 'virtio-blk-pci,drive=disk0,addr=05.0,bootindex=0'];
  const vgpu: string[] = [];
  if (options.vgpu !== undefined) {
    vgpu.push(`device_model_override = ${quoted(`${PAYLOAD}/packaging/device-model`)}`);
    args.unshift('-xengt', options.vgpu);
  }
  return [
    `name = ${quoted(options.name)}`,
    'type = "hvm"',
    `memory = ${options.memoryMiB ?? DEFAULT_MEMORY_MIB}`,
    'vcpus = 1',
    'tsc_mode = "native"',
    ...['hpet = 0', 'vga = "none"', 'vnc = 0', 'sdl = 0', 'usb = 0', 'boot = "c"', 'xen_platform_pci = 0'],
    ...['on_poweroff', 'on_reboot', 'on_crash'].map((event) => `${event} = "destroy"`),
    'device_model_version = "qemu-xen"',
    ...vgpu,
    `device_model_args_hvm = [ ${args.map(quoted).join(', ')} ]`,
    '',
  ].join('\n');
}

async function attachByHand(machine: Machine, domid: number, attach: (domid: number) => Promise<void>): Promise<void> {
  try {
    await attach(domid);
  } catch (error) {
    await machine.run(`xl destroy ${domid}`);
    throw error;
  }
  await machine.must(`xl unpause ${domid}`);
}

export class XenGuest {
  readonly name: string;
  readonly domid: number;
  readonly #machine: Machine;
  readonly #console: Follower;
  #tty = '';

  private constructor(machine: Machine, name: string, domid: number, console: Follower) {
    this.#machine = machine;
    this.name = name;
    this.domid = domid;
    this.#console = console;
  }

  /** `xl create`; throws with what xl said. */
  static async create(options: XenGuestOptions): Promise<XenGuest> {
    const { machine, name, disk } = options;
    const image = basename(disk.iso);
    const copy = join(machine.share, 'guests', image);
    if (!existsSync(copy) || statSync(copy).size !== statSync(disk.iso).size) copyFileSync(disk.iso, copy);
    // The device model reads from dom0's memory, not through the share.
    await machine.must(`[ -e /run/${image} ] || cp /guests/${image} /run/${image}`);
    writeFileSync(join(machine.share, 'guests', `${name}.cfg`), guestConfiguration(options, `/run/${image}`));
    const console = new Follower(join(machine.share, 'console', `guest-${name}.log`), options.onLine);
    try {
      const paused = options.attach === undefined ? '' : '-p ';
      await machine.must(`xl create ${paused}/guests/${name}.cfg`, CREATE_LIMIT_S);
      const [domid] = await machine.must(`xl domid ${name}`);
      if (options.attach !== undefined) await attachByHand(machine, Number(domid), options.attach);
      return new XenGuest(machine, name, Number(domid), console);
    } catch (error) {
      console.close('xl create failed');
      throw error;
    }
  }

  /** The guest's console so far. */
  get lines(): readonly string[] {
    this.#console.poll();
    return this.#console.lines.all;
  }

  waitFor(pattern: RegExp, timeoutMs: number, from = 0): Promise<RegExpExecArray> {
    return this.#console.lines.waitFor(pattern, timeoutMs, from);
  }

  /** Until init takes steps from the host. */
  async booted(): Promise<void> {
    await this.waitFor(/XENGT HOLD/, BOOT_LIMIT_MS);
    const [tty] = await this.#machine.must(`xenstore-read /local/domain/${this.domid}/console/tty`);
    this.#tty = tty ?? '';
  }

  /** Has a waiting guest do one step (see test/guest/program/init.sh) and gives back what it printed. */
  async step(name: string, argument: string | number = '', timeoutMs = 180_000): Promise<StepResult> {
    const from = this.lines.length;
    const encoded = encodeArgument(`${argument}`);
    await this.writeLine(encoded === '' ? name : `${name}:${encoded}`);
    const begin = await this.waitFor(new RegExp(`XENGT BEGIN (\\d+) ${name}\\b`), 60_000, from);
    const end = await this.waitFor(new RegExp(`XENGT END ${begin[1]} ${name} code=(\\d+)`), timeoutMs, from);
    const all = this.lines.slice(from);
    const first = all.findIndex((line) => line.includes(`XENGT BEGIN ${begin[1]} ${name}`));
    const last = all.findIndex((line) => line.includes(`XENGT END ${begin[1]} ${name}`));
    return { code: Number(end[1]), lines: all.slice(first + 1, last) };
  }

  /** As `step`, where anything but exit code 0 is an error. */
  async mustStep(name: string, argument: string | number = '', timeoutMs?: number): Promise<readonly string[]> {
    const { code, lines } = await this.step(name, argument, timeoutMs);
    if (code === 0) return lines;
    const tail = lines.slice(-8).join('\n  ');
    throw new XengtError('XENGT_E_IO', `guest ${this.name}: step ${name} ended with code ${code}\n  ${tail}`);
  }

  /** The kernel log so far. */
  async dmesg(): Promise<string[]> {
    const lines = await this.mustStep('dmesg');
    return lines.filter((line) => !line.startsWith('XENGT DMESG'));
  }

  /** One line to the guest's console, as a user at `xl console` would type it. */
  async writeLine(text: string): Promise<void> {
    await this.#machine.must(`printf '%s\\n' '${text.replaceAll("'", "'\\''")}' >'${this.#tty}'`);
  }

  /** Switches a waiting guest off; false if the domain is still there after the limit. */
  async powerOff(): Promise<boolean> {
    await this.writeLine('poweroff');
    return this.gone(OFF_LIMIT_MS);
  }

  /** As an operator does with a guest that hangs. */
  async destroy(): Promise<void> {
    await this.#machine.must(`xl destroy ${this.domid}`);
    this.#console.close(`${this.name} was destroyed`);
  }

  /** Waits until the domain is gone. */
  async gone(timeoutMs: number): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    for (;;) {
      if ((await this.#machine.run(`xl domname ${this.domid}`)).code !== 0) break;
      if (Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    this.#console.close(`${this.name} is gone`);
    return true;
  }
}
