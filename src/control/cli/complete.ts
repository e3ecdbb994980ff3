/**
 * Completion, from the commands as they are declared. The shells' scripts know nothing: they hand over the words typed so far
 * and show what comes back, so that one place decides for all of them.
 */
import type { Argument, Command, Option } from 'commander';

/** One line each; `files` and `folders` leave it to the shell. */
export type Candidates = readonly string[] | 'files' | 'folders';

/** What only the daemon knows; empty where none answers. */
export interface Names {
  vgpus(): Promise<readonly string[]>;
  types(): Promise<readonly string[]>;
}

/** By the name of a value in the declarations: `<vgpu>`, `--type <type>`. */
const VALUES: Readonly<Record<string, readonly string[] | 'files' | 'folders'>> = {
  file: 'files',
  path: 'files',
  socket: 'files',
  folder: 'folders',
  state: ['connect', 'disconnect'],
  engines: ['needed', 'all'],
  how: ['auto', 'compare'],
  mode: ['auto', 'on', 'off'],
  shell: ['bash', 'zsh', 'fish'],
};

const valueName = (flags: string) => /[<[]([A-Za-z-]+)(?:\.\.\.)?[>\]]/.exec(flags)?.[1]?.toLowerCase() ?? '';

/** @param words what was typed after the program's name; the last is the one that is being typed, perhaps empty */
export async function complete(program: Command, words: readonly string[], names: Names): Promise<Candidates> {
  const current = words.at(-1) ?? '';
  let command = program;
  let taken = 0;
  let open: Option | undefined;
  for (const word of words.slice(0, -1)) {
    if (open !== undefined) {
      open = undefined;
      continue;
    }
    if (word.startsWith('-')) {
      const option = optionsOf(command).find((one) => one.short === word || one.long === word);
      open = option?.required === true || option?.optional === true ? option : undefined;
      continue;
    }
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) taken++;
    else {
      command = next;
      taken = 0;
    }
  }
  const found = await candidates(command, current, taken, open, names);
  return typeof found === 'string' ? found : found.filter((one) => one.startsWith(current)).sort();
}

async function candidates(
  command: Command,
  current: string,
  taken: number,
  open: Option | undefined,
  names: Names,
): Promise<Candidates> {
  if (open !== undefined) return (open.argChoices as string[] | undefined) ?? valuesOf(valueName(open.flags), names);
  if (current.startsWith('-')) return ['--help', ...optionsOf(command).flatMap(({ long }) => long ?? [])];
  if (command.commands.length > 0 && taken === 0) return shownCommands(command).map((one) => one.name());
  const declared: readonly Argument[] = command.registeredArguments;
  const argument = declared[taken] ?? (declared.at(-1)?.variadic === true ? declared.at(-1) : undefined);
  return argument === undefined ? [] : (argument.argChoices ?? valuesOf(argument.name().toLowerCase(), names));
}

async function valuesOf(name: string, names: Names): Promise<Candidates> {
  if (name === 'vgpu') return names.vgpus();
  if (name === 'type') return names.types();
  return VALUES[name] ?? [];
}

/** Without those that nobody types. */
export function shownCommands(command: Command): Command[] {
  const shown = command.createHelp().visibleCommands(command);
  return command.commands.filter((one) => shown.includes(one));
}

/** Its own and those of the commands above, which may stand behind it too. */
function optionsOf(command: Command): Option[] {
  const above = command.parent === null ? [] : optionsOf(command.parent);
  return [...command.options, ...above];
}

const SCRIPTS = {
  bash: `# bash completion of xengt: xengt completion bash > /etc/bash_completion.d/xengt
_xengt() {
  local IFS=$'\\n' said
  said=$("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null) || return
  case $said in
    :files) compopt -o filenames; COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")) ;;
    :folders) compopt -o filenames; COMPREPLY=($(compgen -d -- "\${COMP_WORDS[COMP_CWORD]}")) ;;
    *) COMPREPLY=($said) ;;
  esac
}
complete -F _xengt xengt
`,
  zsh: `#compdef xengt
# zsh completion of xengt: xengt completion zsh > "\${fpath[1]}/_xengt"
_xengt() {
  local said
  said=$("\${words[1]}" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null) || return
  case $said in
    :files) _files ;;
    :folders) _files -/ ;;
    *) compadd -- \${(f)said} ;;
  esac
}
# Loaded at the first TAB, this file is the function itself, which that TAB is for; else somebody sources it.
if [[ $funcstack[1] == _xengt ]]; then _xengt "$@"; else compdef _xengt xengt; fi
`,
  fish: `# fish completion of xengt: xengt completion fish > ~/.config/fish/completions/xengt.fish
function __xengt_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l said ($words[1] complete -- $words[2..-1] 2>/dev/null)
  switch "$said"
    case :files
      __fish_complete_path (commandline -ct)
    case :folders
      __fish_complete_directories (commandline -ct)
    case '*'
      printf '%s\\n' $said
  end
end
complete -c xengt -f -a '(__xengt_complete)'
`,
} as const;

export const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly (keyof typeof SCRIPTS)[];
export type Shell = (typeof SHELLS)[number];

export function completionScript(shell: Shell): string {
  return SCRIPTS[shell];
}
