/**
 * What happens to vGPUs, as server-sent events (WHATWG HTML, "Server-sent events"). The mediator is asked twice a second while
 * anybody watches, once for all of them; what differs is an event. Who does not read is let go: nothing is kept for him.
 */
import type { ServerResponse } from 'node:http';
import { reasonOf, XengtError } from '../../base/index.js';
import type { MediatorApi, VgpuInfo } from '../../mediator/api.js';

const LOOK_MS = 500;
/** A line now and then, so that proxies and the other side see that we are there. */
const ALIVE_MS = 15_000;
const MOST_WATCHERS = 1000;
/** Bytes that may wait for a reader. */
const MOST_UNREAD = 256 * 1024;

export const EVENT_NAMES = ['created', 'removed', 'changed', 'attached', 'detached', 'failsafe', 'revived'] as const;
type EventName = (typeof EVENT_NAMES)[number];

interface Event {
  readonly name: EventName;
  readonly vgpu: VgpuInfo;
}

/** What is told of a vGPU that was `before` and is `after`. */
function eventsOf(before: VgpuInfo | undefined, after: VgpuInfo | undefined): Event[] {
  if (after === undefined) return before === undefined ? [] : [{ name: 'removed', vgpu: before }];
  if (before === undefined) return [{ name: 'created', vgpu: after }];
  const events: Event[] = [];
  if (before.state !== after.state) events.push({ name: stateEvent(before.state, after.state), vgpu: after });
  const still = { ...before, state: after.state, reason: after.reason };
  if (JSON.stringify(still) !== JSON.stringify(after)) events.push({ name: 'changed', vgpu: after });
  return events;
}

function stateEvent(before: VgpuInfo['state'], after: VgpuInfo['state']): EventName {
  if (after === 'failsafe') return 'failsafe';
  if (before === 'failsafe') return 'revived';
  return after === 'attached' ? 'attached' : 'detached';
}

export class EventFeed {
  readonly #watchers = new Set<ServerResponse>();
  readonly #mediator: MediatorApi;
  readonly #complain: (line: string) => void;
  #known = new Map<string, VgpuInfo>();
  #timer: NodeJS.Timeout | null = null;
  #looking = false;
  #serial = 0;
  #quietMs = 0;

  constructor(mediator: MediatorApi, complain: (line: string) => void) {
    this.#mediator = mediator;
    this.#complain = complain;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** Before a watcher is let in. @throws XengtError XENGT_E_BUSY when there are too many */
  async admit(): Promise<void> {
    if (this.#watchers.size >= MOST_WATCHERS) {
      throw new XengtError('XENGT_E_BUSY', `${MOST_WATCHERS} watch already; no more are allowed`);
    }
    if (this.#watchers.size === 0) this.#known = await this.#now();
  }

  watch(response: ServerResponse): void {
    response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    // What there is comes first, so that nothing is missed between a look at the list and the first event.
    for (const vgpu of this.#known.values()) response.write(this.#text({ name: 'created', vgpu }));
    response.write(': that is what there is\n\n');
    this.#watchers.add(response);
    response.on('close', () => this.#gone(response));
    this.#timer ??= setInterval(() => void this.#look(), LOOK_MS);
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.end();
    this.#watchers.clear();
    this.#stop();
  }

  #gone(response: ServerResponse): void {
    this.#watchers.delete(response);
    if (this.#watchers.size === 0) this.#stop();
  }

  #stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** By id and name: a number that was given again is another vGPU. */
  async #now(): Promise<Map<string, VgpuInfo>> {
    const all = await this.#mediator.vgpus();
    return new Map(all.map((vgpu) => [`${vgpu.id} ${vgpu.name}`, vgpu]));
  }

  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const now = await this.#now();
      const keys = new Set([...this.#known.keys(), ...now.keys()]);
      const events = [...keys].flatMap((key) => eventsOf(this.#known.get(key), now.get(key)));
      this.#known = now;
      this.#tell(events);
    } catch (error) {
      this.#complain(`events: ${reasonOf(error)}`);
    } finally {
      this.#looking = false;
    }
  }

  #tell(events: readonly Event[]): void {
    this.#quietMs = events.length > 0 ? 0 : this.#quietMs + LOOK_MS;
    let text = events.map((event) => this.#text(event)).join('');
    if (this.#quietMs >= ALIVE_MS) {
      text = ': still here\n\n';
      this.#quietMs = 0;
    }
    if (text === '') return;
    for (const watcher of this.#watchers) {
      if (watcher.writableLength > MOST_UNREAD) watcher.destroy();
      else watcher.write(text);
    }
  }

  #text({ name, vgpu }: Event): string {
    this.#serial++;
    return `id: ${this.#serial}\nevent: ${name}\ndata: ${JSON.stringify(vgpu)}\n\n`;
  }
}
