#!/usr/bin/env node
/** Wiring only: the command line gets the real mediator, loaded by the commands that need it. */
import { type Engine, processStreams, runCli, thisHost } from './control/index.js';

const engine: Engine = {
  startMediator: async (options) => {
    const { startMediator } = await import('./mediator/index.js');
    return startMediator(options);
  },
  host: async () => thisHost(),
  replayFile: async (file) => {
    const { replayFile } = await import('./mediator/index.js');
    // The picture is for those who call the function; a report in text has no place for it.
    const { screen: _screen, ...report } = replayFile(file);
    return report;
  },
};

process.exitCode = await runCli(process.argv.slice(2), engine, processStreams());
