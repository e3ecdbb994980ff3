/** `xengt scan`: options of the offline scanner. Of its folder only names are loaded here; the rest when it is asked for. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { XengtError } from '../../base/index.js';
import { type EngineId, PLATFORMS, type Platform, platformByName, RCS } from '../../hw/index.js';
import { type BatchTrust, ENGINE_NAMES, engineByName, TRUSTS } from '../scan/batch.js';
import type { Streams } from './streams.js';

const DEFAULT_PLATFORM = 'SKL';

interface ScanFlags {
  readonly platform?: Platform;
  readonly engine?: EngineId;
  readonly trust?: BatchTrust;
  readonly address: number;
  readonly print?: boolean;
}

const HELP = `
PATH is a folder (searched for all of these), or one file:
  *.json          submissions in the format "i915-batch-corpus-1", pages beside them
  *.bin           dwords, little-endian
  i915 error      the text of /sys/class/drm/card0/error: its batches and rings
  other text      dwords in hex, one or more a line; from # on a line is a comment

Corpus files and error states say their own platform and engine: there --platform and --engine only
choose among their batches. Bare dwords are of the given ones (default: ${DEFAULT_PLATFORM}, render).
Rings are always judged as rings. The own ranges of the global GTT are, in a corpus, the span of the
submission's objects; elsewhere all of it.

With --json: an object a line per batch, and one with the totals.
Ends with 0 when every batch got a verdict, whatever it was; else with the code of the first failure.
`;

export function scanCommand(streams: Streams, wantsJson: () => boolean, ends: (exitCode: number) => void): Command {
  return new Command('scan')
    .description('judge recorded command streams as the mediator would; needs no daemon')
    .argument('<path...>')
    .option('--platform <name>', PLATFORMS.map(({ name }) => name).join(', '), platformOf)
    .option('--engine <name>', ENGINE_NAMES.join(', '), engineOf)
    .addOption(
      new Option('--trust <level>', 'what the batches ran as (default: haswell on HSW, else ppgtt)').choices(TRUSTS),
    )
    .option('--address <hex>', 'graphics address of the first bare dword', addressOf, 0)
    .option('--print', 'decode what was executed, command by command')
    .addHelpText('after', HELP)
    .action(async (paths: readonly string[], flags: ScanFlags) => {
      const json = wantsJson();
      if (json && flags.print) throw new XengtError('XENGT_E_USAGE', '--print is for people: it has no --json form');
      const { scanStreams } = await import('../scan/index.js');
      const options = {
        ...flags,
        json,
        print: flags.print === true,
        bare: {
          platform: flags.platform ?? platformOf(DEFAULT_PLATFORM),
          engine: flags.engine ?? RCS,
          address: flags.address,
        },
      };
      ends(await scanStreams(paths, options, { out: streams.out, interruption: streams.interruption() }));
    });
}

function platformOf(name: string): Platform {
  const platform = platformByName(name);
  if (platform === undefined) {
    throw new InvalidArgumentError(`Allowed: ${PLATFORMS.map((known) => known.name).join(', ')}.`);
  }
  return platform;
}

function engineOf(name: string): EngineId {
  const engine = engineByName(name.toLowerCase());
  if (engine === undefined) throw new InvalidArgumentError(`Allowed: ${ENGINE_NAMES.join(', ')}.`);
  return engine;
}

function addressOf(text: string): number {
  const address = /^(0x)?[0-9a-f]{1,12}$/i.test(text) ? Number.parseInt(text, 16) : -1;
  if (address < 0 || address % 4 !== 0) throw new InvalidArgumentError('Allowed: a multiple of 4 in hex, below 2^48.');
  return address;
}
