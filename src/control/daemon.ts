/**
 * The daemon: a mediator, the vGPUs that the configuration asks for, and the two HTTP addresses. Whatever was taken
 * before a step failed is given back in reverse order, and stopping is the same list run again.
 */

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf, XengtError } from '../base/index.js';
import type { MediatorApi } from '../mediator/api.js';
import type { PolicyName } from '../scheduler/index.js';
import { type DaemonConfig, formatAddress, type TcpAddress } from './config.js';
import { Definitions } from './definitions/index.js';
import { mountTree, type Places, placesOf } from './fuse/index.js';
import { createGuests } from './guests.js';
import { buildApp, readToken } from './http/index.js';
import { listenTcp, listenUnix } from './listen.js';
import type { Log } from './log.js';
import { Metrics } from './metrics/index.js';
import { checkOutside, outsideMounts } from './own-mount.js';
import { type PackageInfo, packageInfo } from './package-info.js';
import { Pictures } from './pictures.js';
import { Screens } from './screens/index.js';
import { sharedReads } from './shared-reads.js';
import { deviceOf, GROUPS, Tree } from './tree/index.js';
import { VncDisplays } from './vnc/index.js';
import { XenDomains } from './xen/index.js';

/** How a mediator is started; the wiring in main passes the real one. */
export type StartMediator = (options: {
  readonly platform: string;
  readonly apertureMiB: number;
  readonly apertureBar: string | undefined;
  readonly policy: PolicyName | undefined;
  readonly stateDir: string;
}) => Promise<MediatorApi>;

export interface Daemon {
  readonly api: string;
  readonly metrics: TcpAddress | null;
  stop(): Promise<void>;
}

type Undo = () => Promise<void>;

export async function startDaemon(config: DaemonConfig, start: StartMediator, log: Log): Promise<Daemon> {
  const undo: Undo[] = [];
  try {
    return await build(config, start, log, undo);
  } catch (error) {
    await unwind(undo, log);
    throw error;
  }
}

async function build(config: DaemonConfig, start: StartMediator, log: Log, undo: Undo[]): Promise<Daemon> {
  const ours = packageInfo();
  makeStateDir(config.stateDir);
  const token = config.tokenFile === undefined ? undefined : readToken(config.tokenFile);
  const { platform, apertureMiB, apertureBar, policy, stateDir } = config;
  const mediator = outsideMounts(await start({ platform, apertureMiB, apertureBar, policy, stateDir }));
  undo.push(() => mediator.stop());

  const domains = new XenDomains({ mode: config.xen ?? 'off', mediator, log, socket: config.xenstored });
  const places = placesOf(config.api, config.sysfs);
  const definitions = new Definitions(join(stateDir, 'definitions'));
  const tree = treeOf(platform, mediator, places, domains, definitions);
  undo.push(async () => tree.close());
  const screens = new Screens(mediator, log);
  undo.push(async () => screens.close());
  const audience = sharedReads(mediator);
  const parts = {
    mediator: audience,
    domains,
    definitions,
    tree,
    metrics: new Metrics(audience, ours.version),
    pictures: new Pictures(mediator),
    screens,
    package: ours,
    log,
  };
  // The socket first: it is what says that another daemon is running already.
  const api = buildApp(parts, { readOnly: false, localHostOnly: false });
  undo.push(() => api.close());
  await listenUnix(api, places.api);
  undo.push(async () => rmSync(places.api, { force: true }));

  let metrics: TcpAddress | null = null;
  if (config.metrics !== null) {
    const open = buildApp(parts, { readOnly: token === undefined, localHostOnly: !config.allowRemote, token });
    undo.push(() => open.close());
    metrics = await listenTcp(open, config.metrics);
  }
  await announce(config, metrics, mediator, ours, log);
  undo.push(() => domains.stop());
  await domains.start();
  if (config.sysfs !== undefined) {
    const mounted = mountTree({ tree, path: config.sysfs, log });
    undo.push(async () => mounted.unmount());
    log.info(`sysfs:       ${config.sysfs}`);
    checkOutside('stateDir', stateDir);
  }
  if (config.vnc !== undefined) {
    if (config.vnc.kind === 'folder') checkOutside('vnc', config.vnc.path);
    const foreground = () => tree.foregroundVgpu();
    const vnc = new VncDisplays({ place: config.vnc, mediator, screens, log, foreground });
    undo.push(() => vnc.close());
    await vnc.start();
    log.info(`VNC:         ${config.vnc.kind === 'folder' ? config.vnc.path : formatAddress(config.vnc.address)}`);
  }
  // Who keeps vGPUs has no need of a demo.
  const kept = definitions.known();
  const demo = config.demo && kept.definitions.length + kept.damaged.length === 0;
  await createGuests({ ...config, demo }, mediator, ours.root, log);
  await definitions.startAll(mediator, log);
  await domains.changed();

  let stopped: Promise<void> | undefined;
  return {
    api: config.api,
    metrics,
    stop: () => {
      stopped ??= unwind(undo, log).then((failure) => {
        if (failure !== undefined) throw failure;
      });
      return stopped;
    },
  };
}

/** The operator's tree; it is the same for all faces. */
function treeOf(
  platform: string,
  mediator: MediatorApi,
  { sockets, links }: Places,
  domains: XenDomains,
  kept: Definitions,
): Tree {
  const surroundings = {
    ...deviceOf(platform),
    sockets,
    links,
    kept,
    // Known only when the domains are followed, which is after the API socket was taken.
    get xen() {
      return domains.followed;
    },
  };
  return new Tree({ mediator, surroundings, groups: GROUPS, domainsChanged: () => domains.changed() });
}

/** Takes back what was done, last first. One step that fails does not keep the others from running. */
async function unwind(undo: Undo[], log: Log): Promise<unknown> {
  let first: unknown;
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) {
    try {
      await step();
    } catch (error) {
      first ??= error;
      log.error(`While stopping: ${reasonOf(error)}`);
    }
  }
  return first;
}

function makeStateDir(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new XengtError('XENGT_E_IO', `stateDir: cannot make ${folder}: ${reasonOf(error)}`, { cause: error });
  }
}

async function announce(
  config: DaemonConfig,
  metrics: TcpAddress | null,
  mediator: MediatorApi,
  ours: PackageInfo,
  log: Log,
): Promise<void> {
  log.info(`xengt ${ours.version}: ${config.platform}, aperture ${config.apertureMiB} MiB`);
  if (metrics === null) {
    log.info('console and metrics: off');
  } else {
    log.info(`console:     http://${formatAddress(metrics)}/`);
    log.info(`metrics:     http://${formatAddress(metrics)}/metrics`);
  }
  log.info(`API socket:  ${config.api}`);
  const missing = await mediator.nativeStatus();
  log.info(`native addon: ${missing === null ? 'loaded' : `not loaded: ${missing}`}`);
}
