/**
 * control: the operator's side. Configuration, the daemon that puts a mediator behind HTTP, metrics and the status page,
 * and the command line that talks to it. It knows the mediator only by its API of messages.
 */
export {
  type Engine,
  type Host,
  processStreams,
  type ReplayReport,
  runCli,
  type Streams,
  thisHost,
} from './cli/index.js';
export { type DaemonConfig, loadConfig, type ServeFlags } from './config.js';
export { type Daemon, type StartMediator, startDaemon } from './daemon.js';
