/** vGPUs that are kept, as files: what each is to be, whether it is made with the daemon, and what starts, stops and forgets it. */
import { activeOf, type Definition } from '../definitions/index.js';
import { specOf } from '../vgpu-spec.js';
import { type Declared, declare, type Member, ONE, oneOf, RO, RW, WO, wholeOf } from './declare.js';
import { TreeRefusal } from './errno.js';
import { definitionsOf, type State } from './state.js';

const members = (state: State): Member<Definition>[] =>
  state.definitions.map((definition) => [{ name: definition.name }, definition]);

export const definitionGroups: readonly Declared[] = [
  declare<null>({
    at: 'definitions',
    doc: 'vGPUs that are kept when the daemon stops.',
    members: () => ONE,
    rows: [
      {
        name: 'define',
        mode: WO,
        type: 'name of a vGPU that runs',
        doc: 'Keeps it as it is now. ENODEV: none has that name. EEXIST: it is kept already. ENOSPC: the disk is full.',
        write: (_none, text, state) => {
          const vgpu = activeOf(text, state.vgpus);
          if (vgpu === undefined) throw new TreeRefusal('ENODEV', `No vGPU "${text}" runs now`);
          return [{ kind: 'define', spec: specOf(vgpu) }];
        },
      },
      {
        name: 'damaged',
        mode: RO,
        type: 'lines of FILE: REASON',
        doc: 'Files that are no definitions; empty when there are none.',
        read: (_none, { damaged }) => damaged.map(({ file, reason }) => `${file}: ${reason}\n`).join(''),
      },
    ],
  }),
  declare<Definition>({
    at: 'definitions/<name>',
    doc: 'A vGPU that is kept.',
    members,
    rows: [
      {
        name: 'autostart',
        mode: RW,
        type: '0 or 1',
        doc: 'Made when the daemon starts.',
        read: ({ autostart }) => (autostart ? '1' : '0'),
        write: ({ name }, text) => [{ kind: 'autostart', name, on: oneOf(text, 'autostart', ['0', '1']) === '1' }],
      },
      {
        name: 'active',
        mode: RO,
        type: '0 or 1',
        doc: 'Whether its vGPU runs now.',
        read: ({ name }, { vgpus }) => (activeOf(name, vgpus) === undefined ? '0' : '1'),
      },
      {
        name: 'vgpu',
        mode: RO,
        type: 'JSON',
        doc: 'What it is to be, with the keys of the configuration.',
        read: ({ vgpu }) => JSON.stringify(vgpu),
      },
      {
        name: 'start',
        mode: WO,
        type: '1',
        doc: 'Makes its vGPU. EEXIST: it runs. ENOSPC: no room.',
        write: ({ name }, text, state) => {
          wholeOf(text, 'start', 1, 1);
          return [{ kind: 'create', spec: definitionsOf(state).spec(name) }];
        },
      },
      {
        name: 'stop',
        mode: WO,
        type: '1',
        doc: 'Removes its vGPU and stays. ENODEV: it does not run. EBUSY: a guest uses it.',
        write: ({ name }, text, { vgpus }) => {
          wholeOf(text, 'stop', 1, 1);
          const vgpu = activeOf(name, vgpus);
          if (vgpu === undefined) throw new TreeRefusal('ENODEV', `"${name}" does not run`);
          if (vgpu.state !== 'waiting') throw new TreeRefusal('EBUSY', `A guest uses ${name}`);
          return [{ kind: 'remove', vgpu }];
        },
      },
      {
        name: 'undefine',
        mode: WO,
        type: '1',
        doc: 'Forgets it; its vGPU stays, if it runs.',
        write: ({ name }, text) => {
          wholeOf(text, 'undefine', 1, 1);
          return [{ kind: 'undefine', name }];
        },
      },
    ],
  }),
];
