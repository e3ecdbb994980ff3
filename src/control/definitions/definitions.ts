/**
 * vGPUs that are kept: what each is to be, and whether it is made when the daemon starts. A definition outlives its vGPU and
 * the daemon; starting one makes the vGPU, stopping it leaves the definition.
 */
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { z } from 'zod';
import { reasonOf, XengtError } from '../../base/index.js';
import type { MediatorApi, VgpuInfo, VgpuSpec } from '../../mediator/api.js';
import { check } from '../checked.js';
import type { Log } from '../log.js';
import { bodyOf, type VgpuBody, vgpuSpec } from '../vgpu-spec.js';
import { DefinitionStore } from './store.js';

const FORMAT = 1;

export interface Definition {
  readonly name: string;
  /** Made when the daemon starts. */
  readonly autostart: boolean;
  /** Of what the file holds: tells whether it is still what somebody has seen. */
  readonly etag: string;
  /** With the keys of a request that makes one. */
  readonly vgpu: VgpuBody;
}

/** A file in a definition's place that is none. It is left as it is. */
export interface Damaged {
  readonly name: string;
  readonly file: string;
  readonly reason: string;
}

interface Known {
  readonly definitions: readonly Definition[];
  readonly damaged: readonly Damaged[];
}

const fileShape = z.strictObject({ format: z.literal(FORMAT), autostart: z.boolean(), vgpu: z.unknown() });

export class Definitions {
  readonly #store: DefinitionStore;
  /** What `#known` was read of; null: nothing yet. */
  #stamp: string | null = null;
  #known: Known = { definitions: [], damaged: [] };

  /** @throws XengtError XENGT_E_IO when the folder can not be made */
  constructor(private readonly folder: string) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new XengtError('XENGT_E_IO', `Cannot make ${folder} for definitions: ${reasonOf(error)}`, { cause: error });
    }
    this.#store = new DefinitionStore(folder);
  }

  /** As they are now, also by other processes' doing. Where the folder can not be read, that is what is damaged. */
  known(): Known {
    let stamp: string;
    try {
      stamp = this.#store.stamp;
    } catch (error) {
      return { definitions: [], damaged: [{ name: '', file: this.folder, reason: reasonOf(error) }] };
    }
    if (stamp === this.#stamp) return this.#known;
    const definitions: Definition[] = [];
    const damaged: Damaged[] = [];
    for (const name of this.#store.names()) {
      try {
        definitions.push(parsed(name, this.#store.read(name)));
      } catch (error) {
        damaged.push({ name, file: this.#store.pathOf(name), reason: reasonOf(error) });
      }
    }
    this.#known = { definitions, damaged };
    this.#stamp = stamp;
    return this.#known;
  }

  /** @throws XengtError XENGT_E_NOT_FOUND; XENGT_E_CONFIG for one that is damaged */
  get(name: string): Definition {
    const { definitions, damaged } = this.known();
    const found = definitions.find((one) => one.name === name);
    if (found !== undefined) return found;
    const broken = damaged.find((one) => one.name === name);
    if (broken !== undefined) throw new XengtError('XENGT_E_CONFIG', `${broken.file} is damaged: ${broken.reason}`);
    const names = definitions.map((one) => one.name).join(', ');
    throw new XengtError(
      'XENGT_E_NOT_FOUND',
      `No definition "${name}"; there ${names === '' ? 'are none' : `is: ${names}`}`,
    );
  }

  /**
   * Keeps a vGPU.
   * @param seen etag of the definition that it takes the place of; null: there is to be none
   * @throws XengtError XENGT_E_EXISTS, XENGT_E_BUSY, XENGT_E_IO; what was kept before is kept then
   */
  define(spec: VgpuSpec, autostart: boolean, seen: string | null): Promise<Definition> {
    const { name } = spec;
    return this.#store.exclusively(() => {
      this.#stamp = null;
      const { definitions, damaged } = this.known();
      const there = definitions.find((one) => one.name === name);
      if (damaged.some((one) => one.name === name)) {
        throw new XengtError('XENGT_E_EXISTS', `A definition "${name}" exists, and is damaged; undefine it first`);
      }
      if (seen === null && there !== undefined) {
        throw new XengtError('XENGT_E_EXISTS', `A definition "${name}" exists`);
      }
      if (seen !== null && there?.etag !== seen) {
        const now = there === undefined ? 'it is gone' : `it is ${there.etag} now`;
        throw new XengtError('XENGT_E_EXISTS', `The definition "${name}" is not what was seen (${seen}): ${now}`);
      }
      return this.#write({ autostart, vgpu: bodyOf(spec) }, name);
    });
  }

  /** @throws XengtError XENGT_E_NOT_FOUND, XENGT_E_BUSY, XENGT_E_IO */
  setAutostart(name: string, autostart: boolean): Promise<Definition> {
    return this.#store.exclusively(() => {
      this.#stamp = null;
      const { vgpu } = this.get(name);
      return this.#write({ autostart, vgpu }, name);
    });
  }

  /** Also one that is damaged. @throws XengtError XENGT_E_NOT_FOUND, XENGT_E_BUSY, XENGT_E_IO */
  undefine(name: string): Promise<void> {
    return this.#store.exclusively(() => {
      this.#stamp = null;
      if (!this.known().damaged.some((one) => one.name === name)) this.get(name);
      this.#store.take(name);
      this.#stamp = null;
    });
  }

  /** What makes the vGPU of a definition. @throws XengtError as get() */
  spec(name: string): VgpuSpec {
    return check(vgpuSpec, this.get(name).vgpu);
  }

  /** Makes those that are to be made with the daemon. One that can not be is told, and does not keep the others. */
  async startAll(mediator: MediatorApi, log: Log): Promise<void> {
    const { definitions, damaged } = this.known();
    for (const { file, reason } of damaged) log.error(`${file} is damaged: ${reason}`);
    const there = new Set((await mediator.vgpus()).map(({ name }) => name));
    for (const { name, autostart } of definitions) {
      if (!autostart || there.has(name)) continue;
      try {
        const { id, type } = await mediator.createVgpu(this.spec(name));
        log.info(`vGPU ${id} "${name}": ${type}, as defined`);
      } catch (error) {
        log.error(`vGPU "${name}" is defined and can not be made: ${reasonOf(error)}`);
      }
    }
  }

  #write(content: { readonly autostart: boolean; readonly vgpu: VgpuBody }, name: string): Definition {
    const text = `${JSON.stringify({ format: FORMAT, ...content }, null, 2)}\n`;
    // Before it is written: what could not be read back is not kept.
    const definition = parsed(name, text);
    this.#store.put(name, text);
    this.#stamp = null;
    return definition;
  }
}

/** @throws XengtError with the rule that the file breaks */
function parsed(name: string, text: string): Definition {
  const file = fileShape.safeParse(json(text));
  if (!file.success)
    throw new XengtError('XENGT_E_CONFIG', `it has not the keys format (${FORMAT}), autostart and vgpu`);
  const vgpu = bodyOf(check(vgpuSpec, file.data.vgpu));
  if (vgpu.name !== name) throw new XengtError('XENGT_E_CONFIG', `it is about "${vgpu.name}"`);
  return { name, autostart: file.data.autostart, etag: etagOf(text), vgpu };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new XengtError('XENGT_E_CONFIG', `it is no JSON: ${reasonOf(error)}`, { cause: error });
  }
}

const etagOf = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** The vGPU of a definition, where it runs. */
export function activeOf(name: string, vgpus: readonly VgpuInfo[]): VgpuInfo | undefined {
  return vgpus.find((vgpu) => vgpu.name === name);
}
