/**
 * The displays that VNC viewers can open: one for each vGPU, which comes and goes with it, and one that shows whichever vGPU is
 * in the foreground. Whoever may open a display sees a guest's screen, so they are UNIX sockets of our own user, or
 * loopback addresses.
 */
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { reasonOf, XengtError } from '../../base/index.js';
import type { MediatorApi, VgpuInfo } from '../../mediator/api.js';
import type { TcpAddress } from '../config.js';
import { takeSocketPath } from '../listen.js';
import type { Log } from '../log.js';
import type { Screens } from '../screens/index.js';
import { Session } from './session.js';

export type VncPlace =
  | { readonly kind: 'folder'; readonly path: string }
  /** The port is the foreground's; the vGPU with number N has the N-th port after it. */
  | { readonly kind: 'tcp'; readonly address: TcpAddress };

export interface VncOptions {
  readonly place: VncPlace;
  readonly mediator: MediatorApi;
  readonly screens: Screens;
  readonly log: Log;
  foreground(): Promise<VgpuInfo | undefined>;
  /** How often vGPUs and foreground are looked at, ms; default 500. */
  readonly everyMs?: number;
}

/** Viewers of one display at a time. */
const MOST_VIEWERS = 16;
const FOREGROUND = 0;
const EVERY_MS = 500;
const MOST_PORT = 65535;

interface Display {
  readonly name: string;
  readonly server: Server;
  readonly sessions: Set<Session>;
  readonly path: string | null;
  vgpu: number | null;
}

export class VncDisplays {
  readonly #options: VncOptions;
  /** By the vGPU's number; the foreground is 0. */
  readonly #displays = new Map<number, Display>();
  /** Displays that could not be opened: said once. */
  readonly #refused = new Set<number>();
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: VncOptions) {
    this.#options = options;
  }

  /** @throws XengtError XENGT_E_CONFIG where the foreground's display cannot be served */
  async start(): Promise<void> {
    this.#displays.set(FOREGROUND, await this.#open(FOREGROUND, 'foreground', null));
    await this.#follow();
    this.#later();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#looking;
    for (const id of [...this.#displays.keys()]) await this.#shut(id);
  }

  #later(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#follow()
        .catch((error: unknown) => this.#complain(error))
        .finally(() => this.#later());
    }, this.#options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  #complain(error: unknown): void {
    // A mediator that stops takes the displays with it, and says so itself.
    if (error instanceof XengtError && error.code === 'XENGT_E_UNAVAILABLE') this.#closed = true;
    else this.#options.log.error(`VNC displays: ${reasonOf(error)}`);
  }

  async #follow(): Promise<void> {
    const { mediator, log } = this.#options;
    const vgpus = await mediator.vgpus();
    for (const id of [...this.#displays.keys()]) {
      const there = vgpus.some((vgpu) => vgpu.id === id && vgpu.name === this.#displays.get(id)?.name);
      if (id !== FOREGROUND && !there) await this.#shut(id);
    }
    for (const id of this.#refused) if (!vgpus.some((vgpu) => vgpu.id === id)) this.#refused.delete(id);
    for (const { id, name } of vgpus) {
      if (this.#displays.has(id) || this.#refused.has(id)) continue;
      try {
        this.#displays.set(id, await this.#open(id, name, id));
      } catch (error) {
        this.#refused.add(id);
        log.error(`vGPU ${name} has no VNC display: ${reasonOf(error)}`);
      }
    }
    this.#bringForward((await this.#options.foreground())?.id ?? null);
  }

  #bringForward(vgpu: number | null): void {
    const display = this.#displays.get(FOREGROUND);
    if (display === undefined || display.vgpu === vgpu) return;
    display.vgpu = vgpu;
    for (const session of display.sessions) session.retarget(vgpu);
  }

  async #open(id: number, name: string, vgpu: number | null): Promise<Display> {
    const { place } = this.#options;
    const server = createServer((socket) => this.#enter(display, socket));
    const path =
      place.kind === 'tcp' ? null : join(place.path, id === FOREGROUND ? 'foreground.sock' : `vgpu-${name}.sock`);
    const display: Display = { name, server, sessions: new Set(), path, vgpu };
    if (place.kind === 'tcp') await listenPort(server, place.address, id);
    else if (path !== null) await takeSocketPath('vnc', path, () => listening(server, { path }));
    return display;
  }

  #enter(display: Display, socket: Socket): void {
    if (display.sessions.size >= MOST_VIEWERS) {
      socket.destroy();
      return;
    }
    const { screens, log } = this.#options;
    const session = new Session(socket, screens, `${display.name} (xengt)`, display.vgpu, (why) => {
      display.sessions.delete(session);
      if (why !== null) log.error(`VNC display of ${display.name}: ${why}`);
    });
    display.sessions.add(session);
  }

  async #shut(id: number): Promise<void> {
    const display = this.#displays.get(id);
    if (display === undefined) return;
    this.#displays.delete(id);
    const closed = once(display.server, 'close');
    display.server.close();
    for (const session of display.sessions) session.close();
    await closed;
    if (display.path !== null) rmSync(display.path, { force: true });
  }
}

async function listenPort(server: Server, { host, port }: TcpAddress, offset: number): Promise<void> {
  const wanted = port + offset;
  if (wanted > MOST_PORT) throw new XengtError('XENGT_E_CONFIG', `vnc: there is no port ${wanted}`);
  try {
    await listening(server, { host, port: wanted });
  } catch (error) {
    const text = `vnc: cannot serve at ${host}:${wanted}: ${reasonOf(error)}; allowed: a free port, and free ones after it`;
    throw new XengtError('XENGT_E_CONFIG', text, { cause: error });
  }
}

async function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  server.listen(where);
  await once(server, 'listening');
}
