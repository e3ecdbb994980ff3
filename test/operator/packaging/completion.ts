/** Completions as the package brings them, in the shells that they are for: what is offered when somebody types TAB. */
import { everything, type Machine } from '../machine.js';

type Check = (what: string, good: boolean, saw?: string) => void;

/** What readline has when TAB is typed: by the package's own place, which bash-completion looks into. */
const BASH = `
. /usr/share/bash-completion/bash_completion
COMP_LINE="$0"; COMP_POINT=\${#COMP_LINE}
read -ra COMP_WORDS <<<"$COMP_LINE"; [[ $COMP_LINE == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_comp_load xengt 2>/dev/null || __load_completion xengt
$(complete -p xengt | sed -n 's/.*-F \\([^ ]*\\) .*/\\1/p')
printf '%s\\n' "\${COMPREPLY[@]}"
`;

/** A shell at a terminal of its own, to which the words and one TAB are typed when it waits for a line; then it is asked. */
const typedTo = (shell: string, start: string, ask: string) => `
zmodload zsh/zpty
cd $(mktemp -d)
cat > start <<'END'
${start}
END
: > offered
zpty shell ${shell} -i
zpty -w shell '. ./start'
repeat 200; do [[ -e ready ]] && break; sleep 0.1; done
zpty -w -n shell "$1"$'\\t${ask}'
repeat 200; do [[ -e line ]] && break; sleep 0.1; done
zpty -d shell
`;

/** What compadd is given is written down, with what it keeps of it. */
const ZSH_START = `PS1=
autoload -Uz compinit && compinit -u -D
compadd() { local -a said; builtin compadd -O said "$@"; print -rl -- $said >> offered; builtin compadd "$@" }
zle-line-init() { : > ready }
told() { print -r -- "$BUFFER" > line }
zle -N zle-line-init
zle -N told
bindkey "^X" told`;
const BASH_START = `PS1=
. /usr/share/bash-completion/bash_completion
bind -x '"\\C-xt": printf "%s\\n" "$READLINE_LINE" > line'
: > ready`;

const ZSH = typedTo('zsh -f', ZSH_START, '\\x18');
const BASH_TYPED = typedTo('bash --norc', BASH_START, '\\x18t');

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** What is offered behind these words, sorted. */
async function offered(machine: Machine, shell: string, words: string): Promise<string[]> {
  const lines = {
    bash: `bash -c ${quoted(BASH)} ${quoted(words)} 2>/dev/null`,
    zsh: `zsh -f -c ${quoted(`${ZSH}cat offered`)} zsh ${quoted(words)}`,
    fish: `fish -c ${quoted(`complete -C ${quoted(words)}`)}`,
  }[shell];
  const ran = await machine.run(lines ?? 'false');
  const found = ran.out
    .split('\n')
    .map((line) => line.split('\t')[0]?.trim() ?? '')
    .filter((line) => line !== '');
  return found.length > 0 ? found.sort() : [everything(ran)];
}

/** @param vgpus that the daemon has, in order */
export async function checkCompletions(machine: Machine, vgpus: readonly string[], check: Check): Promise<void> {
  const folders = await machine.run('mkdir -p /root/try && cd /root/try && : > one.xj && : > two.xj && mkdir -p three');
  check('files to choose from are there', folders.code === 0, everything(folders));
  const wanted: [string, string, (seen: readonly string[]) => boolean][] = [
    ['commands', 'xengt vgpu re', (seen) => seen.join() === 'remove,reset,revive'],
    ['names of vGPUs', 'xengt vgpu show ', (seen) => seen.join() === vgpus.join()],
    ['flags', 'xengt vgpu create desk --sock', (seen) => seen.join() === '--socket'],
    [
      'types',
      'xengt vgpu create desk --type V5_',
      (seen) => seen.length > 1 && seen.every((one) => /^V5_\d$/.test(one)),
    ],
    [
      'files',
      'xengt replay /root/try/o',
      (seen) => seen.some((one) => one.endsWith('one.xj')) && !seen.some((one) => one.endsWith('two.xj')),
    ],
  ];
  for (const shell of ['bash', 'zsh', 'fish']) {
    for (const [what, words, good] of wanted) {
      const seen = await offered(machine, shell, words);
      check(`${shell} completes ${what}`, good(seen), seen.join(' '));
    }
  }
  for (const [shell, script] of [
    ['bash', BASH_TYPED],
    ['zsh', ZSH],
  ] as const) {
    const ran = await machine.run(`zsh -f -c ${quoted(`${script}cat line`)} zsh 'xengt vgpu und'`);
    check(`the first TAB finishes a word in ${shell}`, ran.out === 'xengt vgpu undefine \n', everything(ran));
  }
}
