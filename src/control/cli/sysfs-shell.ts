/**
 * `xengt sysfs-shell`: a shell, or one command, that sees the mounted tree at the kernel's own places for mediated devices, so
 * that programs which know only those work on it. Nobody else sees a difference: the places are made in a mount namespace.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { Command } from 'commander';
import { reasonOf, XengtError } from '../../base/index.js';

/**
 * Makes the places, then becomes the command. sysfs itself takes no new folders: `class` and `bus` are covered by folders in
 * memory that lead to what was there before, and have ours besides. $1 is the tree, the rest the command.
 */
const SCRIPT = `
set -eu
tree=$1
shift
hold=$(mktemp -d)
mount -t tmpfs -o mode=0755 xengt "$hold"
mkdir "$hold/sys" "$hold/tree"
mount --rbind /sys "$hold/sys"
mount --bind "$tree" "$hold/tree"
cover() {
  mount -t tmpfs -o mode=0755 xengt "/sys/$1"
  for one in "$hold/sys/$1"/*; do
    [ "\${one##*/}" = "$2" ] || ln -s "$one" "/sys/$1/\${one##*/}"
  done
  mkdir "/sys/$1/$2"
  mount --bind "$hold/tree/$1/$2" "/sys/$1/$2"
}
cover class mdev_bus
cover bus mdev
exec "$@"
`;

/** Where a tree of ours is mounted, by what /proc/mounts says. */
export function mountedTrees(mounts: string): string[] {
  return mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'fuse.xengt')
    .map(([, path = '']) =>
      path.replace(/\\([0-7]{3})/g, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
    );
}

function onlyTree(): string {
  const trees = mountedTrees(readFileSync('/proc/mounts', 'utf8'));
  const [tree] = trees;
  if (tree !== undefined && trees.length === 1) return tree;
  const why = tree === undefined ? 'no tree is mounted; start `xengt serve --sysfs`' : `there are ${trees.join(', ')}`;
  throw new XengtError('XENGT_E_USAGE', `sysfs-shell: ${why}, or say which with --tree`);
}

/** @param environment of the daemon's user; a shell is the one that SHELL names */
export function sysfsShellCommand(
  environment: Readonly<Record<string, string | undefined>>,
  exit: (code: number) => void,
): Command {
  return new Command('sysfs-shell')
    .description("a shell that sees the mounted tree at the kernel's places for mediated devices")
    .option('--tree <folder>', 'where the tree is mounted (default: the only one there is)')
    .argument('[command...]', 'command instead of a shell; what has options of its own stands after --')
    .action(async (command: string[], options: { tree?: string }) => {
      const line = command.length > 0 ? command : [environment.SHELL ?? '/bin/sh'];
      exit(await become(options.tree ?? onlyTree(), line));
    });
}

/** @returns the command's exit code; 128 and the signal's number when one ended it */
function become(tree: string, command: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', SCRIPT, 'sysfs-shell', tree, ...command];
    const child = spawn('unshare', args, { stdio: 'inherit' });
    child.on('error', (error) =>
      reject(new XengtError('XENGT_E_IO', `sysfs-shell: cannot run unshare: ${reasonOf(error)}`, { cause: error })),
    );
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
