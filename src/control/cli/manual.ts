/** Pages of the manual (man(7)), from the commands as they are declared: one for the program, one for each command. */
import type { Argument, Command, Option } from 'commander';
import { shownCommands } from './complete.js';

/** Backslashes, and what troff would take for a request at the start of a line. */
const plain = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');
const bold = (text: string) => `\\fB${plain(text)}\\fR`;

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
export const pageOf = (command: Command): string => nameOf(command).replaceAll(' ', '-');

function synopsis(command: Command): string {
  const args = command.registeredArguments.map((one) => {
    const name = one.variadic ? `${one.name()}...` : one.name();
    return one.required ? `<${name}>` : `[${name}]`;
  });
  const rest = command.commands.length > 0 ? ['<command>'] : args;
  return [bold(nameOf(command)), plain(['[options]', ...rest].join(' '))].join(' ');
}

const item = (head: string, text: string) => `.TP\n${head}\n${plain(text)}\n`;
const optionItem = ({ flags, description }: Option) => item(bold(flags), description);
const argumentItem = (argument: Argument) => item(bold(argument.name()), argument.description || '');

function section(title: string, body: string): string {
  return body === '' ? '' : `.SH ${title}\n${body}`;
}

/** What stands on every page besides its command. */
export interface Edition {
  readonly version: string;
  /** YYYY-MM-DD. */
  readonly date: string;
  /** What exit codes mean, by code. */
  readonly exits: ReadonlyMap<number, string>;
}

export function manualPage(command: Command, { version, date, exits }: Edition): string {
  const above: Option[] = [];
  for (let one = command.parent; one !== null; one = one.parent) above.push(...one.options);
  const page = pageOf(command);
  const related = [
    ...(command.parent === null ? [] : [pageOf(command.parent)]),
    ...shownCommands(command).map((one) => pageOf(one)),
  ];
  const withText = command.registeredArguments.filter(({ description }) => description !== '');
  return [
    `.TH ${page.toUpperCase()} 1 "${date}" "xengt ${version}" "xengt"\n`,
    section('NAME', `${plain(page)} \\- ${plain(command.description())}\n`),
    section('SYNOPSIS', `${synopsis(command)}\n`),
    section('ARGUMENTS', withText.map(argumentItem).join('')),
    section(
      'COMMANDS',
      shownCommands(command)
        .map((one) => item(bold(one.name()), one.description()))
        .join(''),
    ),
    section('OPTIONS', [...command.options, ...above].map(optionItem).join('')),
    section('EXIT STATUS', [...exits].map(([code, text]) => item(`${code}`, text)).join('')),
    section('SEE ALSO', related.length === 0 ? '' : `${related.map((one) => `${bold(one)}(1)`).join(', ')}\n`),
  ].join('');
}

/** Every page: file name and text. */
export function manual(program: Command, edition: Edition): Map<string, string> {
  const pages = new Map<string, string>();
  const add = (command: Command) => {
    pages.set(`${pageOf(command)}.1`, manualPage(command, edition));
    for (const one of shownCommands(command)) add(one);
  };
  add(program);
  return pages;
}
