#!/usr/bin/env node
/** Wiring only: the command line gets the real mediator. */
import { processStreams, runCli } from './control/index.js';
import { replayFile, startMediator } from './mediator/index.js';

process.exitCode = await runCli(
  process.argv.slice(2),
  { startMediator, replayFile: (file) => replayFile(file, {}) },
  processStreams(),
);
