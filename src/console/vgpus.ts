/** The table of vGPUs, and what can be done to them: made, weighed, removed. A refusal stands where the act was asked for. */
import { api, Refusal, type VgpuInfo } from './api.js';
import { byId, colourOf, follow, make, say, within } from './dom.js';

interface Line {
  readonly root: HTMLTableRowElement;
  readonly name: HTMLElement;
  readonly state: HTMLElement;
  readonly type: HTMLElement;
  readonly guest: HTMLElement;
  readonly weight: HTMLInputElement;
  readonly wrong: HTMLElement;
}

const guestOf = ({ transport }: VgpuInfo): string => {
  switch (transport.kind) {
    case 'vfio-user':
      return transport.socket;
    case 'xen':
      return `domain ${transport.domid}`;
    case 'replay':
      return transport.file.replace(/^.*\//, '');
  }
};

export class Vgpus {
  readonly #body = byId('vgpus', HTMLTableSectionElement);
  readonly #lines = new Map<number, Line>();
  readonly #again: () => void;
  readonly #sure = new Sheet('sure');
  readonly #make = new Sheet('make');

  /** @param again is called after something was done, so that it is seen at once */
  constructor(again: () => void) {
    this.#again = again;
    const transport = this.#make.field('transport', HTMLSelectElement);
    const choose = () => {
      for (const part of this.#make.root.querySelectorAll<HTMLElement>('[data-for]')) {
        part.hidden = part.dataset.for !== transport.value;
      }
    };
    transport.addEventListener('change', choose);
    choose();
    byId('create', HTMLButtonElement).addEventListener('click', () => void this.#create());
  }

  show(vgpus: readonly VgpuInfo[]): void {
    const ids = vgpus.map(({ id }) => id);
    follow(this.#lines, ids, this.#body, (id) => this.#line(id));
    for (const info of vgpus) {
      const line = this.#lines.get(info.id);
      if (line === undefined) continue;
      line.root.dataset.name = info.name;
      say(line.name, info.vm === info.name ? info.name : `${info.name} (${info.vm})`);
      say(line.state, info.reason === null ? info.state : `${info.state}: ${info.reason}`);
      line.state.className = `state-${info.state}`;
      say(line.type, info.type);
      say(line.guest, guestOf(info));
      line.weight.setAttribute('aria-label', `Weight of ${info.name}`);
      if (document.activeElement !== line.weight) line.weight.value = String(info.weight);
    }
  }

  #line(id: number): Line {
    const dot = make('span', 'dot');
    dot.style.background = colourOf(id);
    const name = make('b');
    const state = make('span');
    const type = make('span');
    const guest = make('code');
    const weight = make('input');
    Object.assign(weight, { type: 'number', min: '1', max: '255', required: true });
    const wrong = make('small', 'wrong');
    wrong.setAttribute('role', 'alert');
    weight.addEventListener('change', () => void this.#weigh(id, weight, wrong));
    const remove = make('button', '', 'Remove…');
    remove.type = 'button';
    remove.addEventListener('click', () => void this.#remove(id, name.textContent ?? ''));
    const root = make('tr', '', make('td', '', dot, name), make('td', '', state), make('td', '', type));
    root.append(make('td', '', guest), make('td', '', weight, wrong), make('td', '', remove));
    return { root, name, state, type, guest, weight, wrong };
  }

  async #weigh(id: number, input: HTMLInputElement, wrong: HTMLElement): Promise<void> {
    say(wrong, '');
    if (!input.reportValidity()) return;
    try {
      await api.weigh(id, Number(input.value));
      this.#again();
    } catch (error) {
      say(wrong, sentence(error));
    }
  }

  async #remove(id: number, name: string): Promise<void> {
    say(byId('sure-head', HTMLElement), `Remove ${name}?`);
    await this.#sure.run(async () => {
      await api.remove(id);
      this.#again();
    });
  }

  async #create(): Promise<void> {
    const type = this.#make.field('type', HTMLSelectElement);
    await this.#make.run(
      async () => {
        const text = (name: string) => this.#make.field(name, HTMLInputElement).value;
        const transport = this.#make.field('transport', HTMLSelectElement).value;
        const guest =
          transport === 'replay' ? { file: text('file'), loop: true } : { socket: text('socket'), type: type.value };
        await api.create({ name: text('name'), transport, ...guest });
        this.#again();
      },
      async () => {
        const types = await api.types();
        type.replaceChildren(
          ...types.map(({ name, resolution, lowMiB, highMiB, availableInstances }) => {
            const text = `${name}: ${resolution}, ${lowMiB} + ${highMiB} MiB, ${availableInstances} fit`;
            const option = new Option(text, name);
            option.disabled = availableInstances === 0;
            return option;
          }),
        );
      },
    );
  }
}

/** A dialog with a form: closed only when what it was for was done, or given up. */
class Sheet {
  readonly root: HTMLDialogElement;
  readonly #form: HTMLFormElement;
  readonly #wrong: HTMLElement;

  constructor(id: string) {
    this.root = byId(id, HTMLDialogElement);
    this.#form = within(this.root, 'form', HTMLFormElement);
    this.#wrong = within(this.root, '.wrong', HTMLElement);
    within(this.root, '[value=cancel]', HTMLButtonElement).addEventListener('click', () => this.root.close());
  }

  field<T extends HTMLElement>(name: string, kind: abstract new () => T): T {
    return within(this.#form, `[name=${name}]`, kind);
  }

  async run(act: () => Promise<void>, prepare?: () => Promise<void>): Promise<void> {
    say(this.#wrong, '');
    this.#form.onsubmit = (event) => {
      event.preventDefault();
      this.#try(act).then(
        (done) => {
          if (done) this.root.close();
        },
        () => undefined,
      );
    };
    this.root.showModal();
    if (prepare !== undefined) await this.#try(prepare);
  }

  async #try(act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      say(this.#wrong, sentence(error));
      return false;
    }
  }
}

function sentence(error: unknown): string {
  return error instanceof Refusal ? error.message : 'The daemon does not answer.';
}
