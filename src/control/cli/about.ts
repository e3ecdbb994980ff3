/** Commands about the commands themselves, for shells and packages: completion and pages of the manual. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command } from 'commander';
import { reasonOf, XengtError } from '../../base/index.js';
import type { TypeInfo, VgpuInfo } from '../../mediator/api.js';
import { complete, completionScript, SHELLS, type Shell } from './complete.js';
import { EXITS } from './exits.js';
import { manual, manualPage } from './manual.js';
import type { Asking } from './vgpu.js';

/** A list of names is not worth an error message in the middle of a line. */
async function namesOr<T>(names: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await names;
  } catch (error) {
    if (error instanceof Error) return [];
    throw error;
  }
}

/** What shells call with the words typed so far. Not shown in the help: nobody types it. */
export function completeCommand(asking: Asking, program: () => Command): Command {
  const vgpus = async () => (await asking.client().json<{ vgpus: VgpuInfo[] }>('GET', '/v1/vgpus')).vgpus;
  const types = async () => (await asking.client().json<{ types: TypeInfo[] }>('GET', '/v1/types')).types;
  return new Command('complete')
    .description('candidates for the last of the words, one a line')
    .argument('[words...]')
    .action(async (words: string[]) => {
      const found = await complete(program(), words.length === 0 ? [''] : words, {
        vgpus: async () => (await namesOr(vgpus())).map(({ name }) => name),
        types: async () => (await namesOr(types())).map(({ name }) => name),
      });
      asking.streams.out(typeof found === 'string' ? `:${found}\n` : found.map((one) => `${one}\n`).join(''));
    });
}

export function completionCommand(asking: Asking): Command {
  return new Command('completion')
    .description('the completion script of a shell')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(SHELLS))
    .action((shell: Shell) => asking.streams.out(completionScript(shell)));
}

export function manCommand(asking: Asking, version: string, program: () => Command): Command {
  return new Command('man')
    .description("the program's page of the manual, or all pages as files")
    .option('--to <folder>', 'write every page there')
    .option('--date <date>', 'date of the pages, YYYY-MM-DD', new Date().toISOString().slice(0, 10))
    .action(({ to, date }: { to?: string; date: string }) => {
      const edition = { version, date, exits: EXITS };
      if (to === undefined) {
        asking.streams.out(manualPage(program(), edition));
        return;
      }
      try {
        mkdirSync(to, { recursive: true });
        for (const [file, text] of manual(program(), edition)) writeFileSync(join(to, file), text);
      } catch (error) {
        throw new XengtError('XENGT_E_IO', `man: cannot write to ${to}: ${reasonOf(error)}`, { cause: error });
      }
    });
}
