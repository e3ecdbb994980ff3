/** `xengt vgpu define …`: vGPUs that are kept. */
import type { Command } from 'commander';
import { XengtError } from '../../base/index.js';
import type { VgpuInfo } from '../../mediator/api.js';
import { RemoteRefusal } from '../problem.js';
import type { Client } from './client.js';
import { json, table } from './table.js';
import { type Asking, bodyOf, type CreateOptions, withSpec } from './vgpu.js';

interface Kept {
  readonly name: string;
  readonly autostart: boolean;
  readonly active: boolean;
  readonly etag: string;
  readonly vgpu: { readonly type?: string; readonly transport: string };
}

interface DefineOptions extends CreateOptions {
  readonly auto?: boolean;
  readonly replace?: boolean;
}

const at = (name: string) => `/v1/definitions/${encodeURIComponent(name)}`;

/** Adds them to `xengt vgpu`. */
export function definitionCommands(vgpu: Command, asking: Asking): void {
  const { streams } = asking;
  const say = (answer: unknown, text: string) => streams.out(asking.wantsJson() ? json(answer) : text);

  withSpec(
    vgpu
      .command('define')
      .description('keep a vGPU: as the options say, or, without any of them, the one of that name as it is now')
      .argument('<name>', 'its name')
      .option('--auto', 'make it when the daemon starts')
      .option('--replace', 'in place of the definition that there is'),
  ).action(async (name: string, { auto = false, replace = false, ...options }: DefineOptions) => {
    const client = asking.client();
    const { monitor, ...others } = options;
    const plain = monitor && Object.keys(others).length === 0;
    const body = { autostart: auto, ...(plain ? {} : { vgpu: bodyOf(name, options) }) };
    const headers = replace ? { 'if-match': await etagOf(client, name) } : {};
    const kept = await client.json<Kept>('PUT', at(name), body, headers);
    say(kept, `vGPU "${name}" is kept${auto ? ', and made when the daemon starts' : ''}\n`);
  });

  vgpu
    .command('defined')
    .description('all vGPUs that are kept')
    .action(async () => {
      const all = await asking
        .client()
        .json<{ definitions: Kept[]; damaged: { file: string; reason: string }[] }>('GET', '/v1/definitions');
      const damaged = all.damaged.map(({ file, reason }) => `${file} is damaged: ${reason}\n`).join('');
      say(all, listing(all.definitions) + damaged);
    });

  vgpu
    .command('autostart')
    .description('whether a vGPU that is kept is made when the daemon starts')
    .argument('<name>')
    .argument('<state>', 'on or off')
    .action(async (name: string, state: string) => {
      if (state !== 'on' && state !== 'off') {
        throw new XengtError('XENGT_E_USAGE', `state: "${state}" is not allowed; allowed: on, off`);
      }
      const kept = await asking.client().json<Kept>('PATCH', at(name), { autostart: state === 'on' });
      say(kept, `vGPU "${name}": autostart ${state}\n`);
    });

  vgpu
    .command('start')
    .description('make a vGPU that is kept')
    .argument('<name>')
    .action(async (name: string) => {
      const info = await asking.client().json<VgpuInfo>('POST', `${at(name)}/start`);
      say(info, `vGPU ${info.id} "${name}" created as it is kept\n`);
    });

  vgpu
    .command('stop')
    .description('remove a vGPU that is kept, unless a guest uses it')
    .argument('<name>')
    .action(async (name: string) => {
      await asking.client().json('POST', `${at(name)}/stop`);
      say({ stopped: name }, `vGPU "${name}" removed; it is kept\n`);
    });

  vgpu
    .command('undefine')
    .description('keep a vGPU no longer; it stays, if it runs')
    .argument('<name>')
    .action(async (name: string) => {
      await asking.client().json('DELETE', at(name));
      say({ undefined: name }, `vGPU "${name}" is kept no longer\n`);
    });
}

/** Of the definition that is replaced; of one that is damaged there is none. */
async function etagOf(client: Client, name: string): Promise<string> {
  try {
    return (await client.json<Kept>('GET', at(name))).etag;
  } catch (error) {
    if (error instanceof RemoteRefusal && error.problem.code === 'XENGT_E_NOT_FOUND') {
      throw new XengtError('XENGT_E_NOT_FOUND', `--replace: there is no definition "${name}"`, { cause: error });
    }
    throw error;
  }
}

function listing(all: readonly Kept[]): string {
  if (all.length === 0) return 'No vGPUs are kept. Keep one with `xengt vgpu define`.\n';
  return table<Kept>(
    [
      { head: 'NAME', cell: ({ name }) => name },
      { head: 'TYPE', cell: ({ vgpu }) => vgpu.type ?? 'custom' },
      { head: 'GUEST', cell: ({ vgpu }) => vgpu.transport },
      { head: 'AUTOSTART', cell: ({ autostart }) => (autostart ? 'on' : 'off') },
      { head: 'ACTIVE', cell: ({ active }) => (active ? 'yes' : 'no') },
    ],
    all,
  );
}
