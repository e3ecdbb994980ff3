/** A guest machine: QEMU with one vfio-user device, and its init's step protocol on the serial console. */
import { join } from 'node:path';
import { XengtError } from '../../src/base/index.js';
import { Child, type Exit } from './child.js';
import { type GuestImage, qemuCommand } from './provision/index.js';

export interface GuestOptions {
  readonly name: string;
  readonly qemuRoot: string;
  readonly image: GuestImage;
  /** The device's vfio-user socket; null boots a machine without the device. */
  readonly socket: string | null;
  readonly memoryMiB?: number;
  /** Steps that init does by itself; default: wait for steps from the host. */
  readonly steps?: readonly string[];
  /** Frame buffer console on the vGPU: without it the driver sets no mode by itself. */
  readonly console?: boolean;
  /** More kernel command line. */
  readonly append?: string;
  /** Each write to the device waits for its answer, as on a bus that posts nothing. */
  readonly noPostedWrites?: boolean;
  /** QEMU's name of the processor; default: the least that there is. */
  readonly cpu?: string;
  /** A disk image that the guest may read. */
  readonly disk?: string;
  /** A folder of the host's that the guest sees as 9p tag "share" and may write to. */
  readonly share?: string;
  readonly logFolder: string;
  readonly onLine?: (line: string) => void;
}

export interface StepResult {
  readonly code: number;
  /** What the step printed. */
  readonly lines: readonly string[];
}

const DEFAULT_MEMORY_MIB = 1024;
/** Boot takes 4 to 8 s alone; several guests and a busy machine share two cores. */
const BOOT_LIMIT_MS = 120_000;
/** The client's own limit for an answer; its default of 5 s is too short behind a backlog of posted writes. */
const MESSAGE_TIMEOUT_MS = 60_000;

/** A step's argument as init decodes it: no comma, space or control byte survives the kernel command line. */
export function encodeArgument(text: string): string {
  const bytes = [...Buffer.from(text, 'utf8')];
  return bytes
    .map((byte) => {
      const letter = String.fromCharCode(byte);
      return /[A-Za-z0-9._/-]/.test(letter) ? letter : `%${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}

export function kernelCommandLine(options: Pick<GuestOptions, 'steps' | 'console' | 'append'>): string {
  const words = ['console=ttyS0', 'panic=-1', 'quiet', 'log_buf_len=1M'];
  words.push(`xengt.steps=${(options.steps ?? ['hold']).join(',')}`);
  // Painting a text console through a trapped aperture takes seconds: only where the test is about it.
  if (options.console !== true) words.push('drm_kms_helper.fbdev_emulation=0');
  if (options.append !== undefined && options.append !== '') words.push(options.append);
  return words.join(' ');
}

function qemuArguments(options: GuestOptions): string[] {
  const memory = options.memoryMiB ?? DEFAULT_MEMORY_MIB;
  const args = ['-M', 'pc,memory-backend=m0', '-object', `memory-backend-memfd,id=m0,size=${memory}M,share=on`];
  args.push('-accel', 'tcg,thread=multi', '-cpu', options.cpu ?? 'qemu64', '-smp', '1', '-m', `${memory}`);
  args.push('-nodefaults', '-vga', 'none', '-display', 'none', '-serial', 'stdio', '-no-reboot');
  if (options.socket !== null) {
    const device = {
      driver: 'vfio-user-pci',
      addr: '02.0',
      socket: { type: 'unix', path: options.socket },
      'x-msg-timeout': MESSAGE_TIMEOUT_MS,
      ...(options.noPostedWrites === true ? { 'x-no-posted-writes': true } : {}),
    };
    args.push('-device', JSON.stringify(device));
  }
  if (options.disk !== undefined) {
    args.push('-drive', `file=${options.disk},if=none,id=disk,format=raw,readonly=on`);
    args.push('-device', 'virtio-blk-pci,drive=disk,addr=05.0');
  }
  if (options.share !== undefined) {
    args.push('-fsdev', `local,id=share,path=${options.share},security_model=none`);
    args.push('-device', 'virtio-9p-pci,fsdev=share,mount_tag=share,addr=06.0');
  }
  args.push('-kernel', options.image.kernel.vmlinuz, '-initrd', options.image.initramfs);
  args.push('-append', kernelCommandLine(options));
  return args;
}

export class Guest {
  readonly name: string;
  readonly logFile: string;
  readonly #child: Child;

  constructor(options: GuestOptions) {
    this.name = options.name;
    this.logFile = join(options.logFolder, `${options.name}.log`);
    const qemu = qemuCommand(options.qemuRoot);
    this.#child = new Child({
      name: `guest ${options.name}`,
      command: qemu.command,
      args: [...qemu.args, ...qemuArguments(options)],
      env: qemu.env,
      logFile: this.logFile,
      onLine: options.onLine,
    });
  }

  get running(): boolean {
    return this.#child.running;
  }

  get exited(): Promise<Exit> {
    return this.#child.exited;
  }

  /** The serial console's lines so far. */
  get lines(): readonly string[] {
    return this.#child.lines.all;
  }

  waitFor(pattern: RegExp, timeoutMs: number, from = 0): Promise<RegExpExecArray> {
    return this.#child.lines.waitFor(pattern, timeoutMs, from);
  }

  /** Until init takes steps from the host. */
  async booted(timeoutMs = BOOT_LIMIT_MS): Promise<void> {
    await this.waitFor(/XENGT HOLD/, timeoutMs);
  }

  /** Has a waiting guest do one step (see program/init.sh) and gives back what it printed. */
  async step(name: string, argument: string | number = '', timeoutMs = 120_000): Promise<StepResult> {
    const from = this.lines.length;
    const encoded = encodeArgument(`${argument}`);
    this.writeLine(encoded === '' ? name : `${name}:${encoded}`);
    const begin = await this.waitFor(new RegExp(`XENGT BEGIN (\\d+) ${name}\\b`), 30_000, from);
    const end = await this.waitFor(new RegExp(`XENGT END ${begin[1]} ${name} code=(\\d+)`), timeoutMs, from);
    const all = this.lines.slice(from);
    const first = all.findIndex((line) => line.includes(`XENGT BEGIN ${begin[1]} ${name}`));
    const last = all.findIndex((line) => line.includes(`XENGT END ${begin[1]} ${name}`));
    return { code: Number(end[1]), lines: all.slice(first + 1, last) };
  }

  /** As `step`, where anything but exit code 0 is an error. */
  async mustStep(name: string, argument: string | number = '', timeoutMs?: number): Promise<readonly string[]> {
    const { code, lines } = await this.step(name, argument, timeoutMs);
    if (code !== 0) {
      const tail = lines.slice(-8).join('\n  ');
      throw new XengtError('XENGT_E_IO', `guest ${this.name}: step ${name} ended with code ${code}\n  ${tail}`);
    }
    return lines;
  }

  /** The kernel log so far. */
  async dmesg(): Promise<string[]> {
    const lines = await this.mustStep('dmesg');
    return lines.filter((line) => !line.startsWith('XENGT DMESG'));
  }

  /** One line to the guest's serial console. */
  writeLine(text: string): void {
    this.#child.write(`${text}\n`);
  }

  /** Switches a waiting guest off; false if it had to be killed. */
  async powerOff(timeoutMs = 30_000): Promise<boolean> {
    if (this.running) this.writeLine('poweroff');
    let inTime = true;
    const timer = setTimeout(() => {
      inTime = false;
      this.kill();
    }, timeoutMs);
    await this.exited;
    clearTimeout(timer);
    return inTime;
  }

  /** As if the machine's process crashed: nothing is said to the device. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
