/** Walks the blocks of the guide on a machine, in their order and each line as it stands there. */
import { everything, type Machine } from '../machine.js';
import { type Block, isShown, type Line } from './blocks.js';

type Check = (what: string, good: boolean, saw?: string) => void;

/** Where what stays writes to. */
const SAID = '/run/walk';
const STAYS_MS = 30_000;
/** Between a line's output and the next one's, a record separator on both sides of its number and exit code. */
const MARK = '\u001e';

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A daemon that was just started takes a moment, as the guide says: 7 is "no daemon answers". */
const patient = ({ text }: Line): string =>
  text.startsWith('xengt vgpu list')
    ? `for try in $(seq 20); do xengt vgpu list >/dev/null 2>&1; [ $? = 7 ] || break; sleep 0.5; done; ${text}`
    : text;

interface Staying {
  readonly text: string;
  readonly pid: number;
}

export class Walk {
  readonly #machine: Machine;
  readonly #check: Check;
  #staying: Staying[] = [];
  #serial = 0;
  #section = '';
  #answer = '';
  walked = 0;
  /** Lines that were not, each with the reason. */
  readonly left: string[] = [];

  constructor(machine: Machine, check: Check) {
    this.#machine = machine;
    this.#check = check;
  }

  async #end(text: string): Promise<void> {
    for (const one of this.#staying.filter((staying) => staying.text.includes(text))) {
      const ended = `kill -TERM ${one.pid} && for try in $(seq 100); do kill -0 ${one.pid} 2>/dev/null || exit 0; sleep 0.1; done; false`;
      const ran = await this.#machine.run(ended);
      this.#check(`guide: ${one.text}: goes on until it is ended`, ran.code === 0, everything(ran));
    }
    this.#staying = this.#staying.filter((staying) => !staying.text.includes(text));
  }

  /** Has the line started, waits for its first words. */
  #started({ text }: Line, number: number): string {
    const file = `${SAID}/${number}`;
    const waits = `for try in $(seq ${STAYS_MS / 100}); do [ -s ${file} ] && break; sleep 0.1; done; sleep 1; cat ${file}; kill -0 $!`;
    return `mkdir -p ${SAID}; setsid bash -c ${quoted(`exec ${text}`)} > ${file} 2>&1 & echo "PID $!"; ${waits}`;
  }

  async #shell(block: Block): Promise<void> {
    const todo: { readonly line: Line; readonly number: number }[] = [];
    let script = '';
    for (const line of block.lines) {
      if (line.not !== null) {
        this.left.push(`${line.text}: ${line.not}`);
        continue;
      }
      const number = ++this.#serial;
      todo.push({ line, number });
      script += `${line.stays ? this.#started(line, number) : patient(line)}\nprintf '${MARK}%d %d${MARK}' ${number} $?\n`;
    }
    if (todo.length === 0) return;
    const ran = await this.#machine.run(`exec 2>&1 </dev/null\n${script}`, undefined, ['/bin/bash', '-c']);
    const parts = ran.out.split(MARK);
    for (const [i, { line, number }] of todo.entries()) {
      const output = parts[2 * i] ?? '';
      const end = parts[2 * i + 1];
      this.#check(`guide: ${line.text}`, end === `${number} ${line.exit}`, `${end ?? everything(ran)}: ${output}`);
      this.walked++;
      this.#answer = output;
      const pid = /^PID (\d+)$/m.exec(output)?.[1];
      if (line.stays && pid !== undefined) this.#staying.push({ text: line.text, pid: Number(pid) });
    }
  }

  async #block(block: Block): Promise<void> {
    if (block.section !== this.#section) await this.#end('');
    this.#section = block.section;
    for (const text of block.ends) await this.#end(text);
    for (const command of block.first) {
      const ran = await this.#machine.run(command);
      if (ran.code !== 0) this.#check(`guide: ready for line ${block.at}: ${command}`, false, everything(ran));
    }
    if (block.not !== null) {
      this.left.push(`${block.text.split('\n')[0]} …: ${block.not}`);
    } else if (block.kind === 'shows') {
      const good = isShown(block.text, this.#answer);
      this.#check(`guide: what line ${block.at} shows is what is answered`, good, this.#answer);
    } else if (block.kind === 'file') {
      const ran = await this.#machine.run(
        `mkdir -p "$(dirname ${block.path})" && printf '%s\\n' ${quoted(block.text)} > ${block.path}`,
      );
      this.#check(`guide: ${block.path} is as in the guide`, ran.code === 0, everything(ran));
    } else {
      await this.#shell(block);
    }
  }

  async all(blocks: readonly Block[]): Promise<void> {
    for (const block of blocks) await this.#block(block);
    await this.#end('');
  }
}
