/**
 * Interrupts from outside, twice a second, over a virtio-serial port of its own.
 *
 * While an HVM guest runs, the emulation at times loses the timer interrupt that Xen has asked for; nothing then makes the guest
 * give the processor back until a device interrupts. With Xen's timer the whole machine stands still for that time, for minutes.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const EVERY_MS = 500;

export class Kicks {
  readonly #folder = mkdtempSync(join(tmpdir(), 'xengt-xen-'));
  #timer: NodeJS.Timeout | null = null;
  #socket: Socket | null = null;

  /** QEMU's side of it: it listens from its start. */
  get arguments(): readonly string[] {
    const chardev = `socket,id=kicks,path=${this.#path},server=on,wait=off`;
    return ['-chardev', chardev, '-device', 'virtserialport,chardev=kicks,nr=2,name=kicks'];
  }

  get #path(): string {
    return join(this.#folder, 'kicks.sock');
  }

  /** To be called when the machine runs. */
  start(): void {
    const socket = createConnection(this.#path);
    this.#socket = socket;
    // It ends with the machine, whose end is told elsewhere.
    socket.on('error', () => this.stop());
    this.#timer = setInterval(() => {
      // Where nobody reads any more there is nobody to kick.
      if (socket.writableLength === 0) socket.write('.');
    }, EVERY_MS);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#socket?.destroy();
    this.#socket = null;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
