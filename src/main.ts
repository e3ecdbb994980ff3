#!/usr/bin/env node
/** Wiring only: the command line gets the real mediator. */
import { type Engine, processStreams, runCli } from './control/index.js';
import { replayFile, startMediator } from './mediator/index.js';

const engine: Engine = {
  startMediator,
  replayFile: async (file) => {
    // The picture is for those who call the function; a report in text has no place for it.
    const { screen: _screen, ...report } = replayFile(file);
    return report;
  },
};

process.exitCode = await runCli(process.argv.slice(2), engine, processStreams());
