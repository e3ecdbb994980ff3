/** Taking the two addresses: the UNIX socket with its folder and leftovers, and the TCP port. */
import { existsSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { reasonOf, XengtError } from '../base/index.js';
import { formatAddress, type TcpAddress } from './config.js';

/** Clients that may come in at the same moment; the kernel takes no more than its own limit. */
const BACKLOG = 4096;

/** Serves `app` at the UNIX socket `path`, which only our own user may open. */
export async function listenUnix(app: FastifyInstance, path: string): Promise<void> {
  await app.ready();
  await takeSocketPath('api', path, () => app.listen({ path, backlog: BACKLOG }));
}

/**
 * Has `listen` make a socket at `path` that only our own user may open.
 * @param key of the configuration that names the path, for refusals
 */
export async function takeSocketPath(key: string, path: string, listen: () => Promise<unknown>): Promise<void> {
  prepareFolder(key, dirname(path));
  await clearLeftover(key, path);
  const mask = process.umask(0o177);
  try {
    await listen();
  } catch (error) {
    const text = `${key}: cannot serve at ${path}: ${reasonOf(error)}; allowed: a free path`;
    throw new XengtError('XENGT_E_CONFIG', text, { cause: error });
  } finally {
    process.umask(mask);
  }
}

/** @returns the address that was taken: with port 0 it is the kernel's choice */
export async function listenTcp(app: FastifyInstance, wanted: TcpAddress): Promise<TcpAddress> {
  try {
    await app.listen({ host: wanted.host, port: wanted.port });
  } catch (error) {
    const text = `metrics: cannot serve at ${formatAddress(wanted)}: ${reasonOf(error)}; allowed: a free HOST:PORT (port 0 takes one), or 'off'`;
    throw new XengtError('XENGT_E_CONFIG', text, { cause: error });
  }
  const taken = app.server.address();
  return typeof taken === 'object' && taken !== null ? { host: wanted.host, port: taken.port } : wanted;
}

function prepareFolder(key: string, folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    const sticky = (mode & 0o1000) !== 0;
    // Who may write the folder may put another socket in our place; a sticky one (such as /tmp) prevents that.
    if ((mode & 0o022) !== 0 && !sticky) {
      throw new XengtError('XENGT_E_CONFIG', `${key}: others may write ${folder}; allowed: a folder of our own`);
    }
    const mine = process.getuid?.();
    if (mine !== undefined && uid !== mine && uid !== 0) {
      throw new XengtError('XENGT_E_CONFIG', `${key}: ${folder} belongs to another user; allowed: a folder of our own`);
    }
  } catch (error) {
    if (error instanceof XengtError) throw error;
    throw new XengtError('XENGT_E_IO', `${key}: cannot make ${folder}: ${reasonOf(error)}`, { cause: error });
  }
}

/** A socket that nobody answers at was left by a daemon that died; anything else is not ours to remove. */
async function clearLeftover(key: string, path: string): Promise<void> {
  if (!existsSync(path)) return;
  if (!lstatSync(path).isSocket()) {
    throw new XengtError('XENGT_E_CONFIG', `${key}: ${path} exists and is no socket; allowed: a free path`);
  }
  if (await answers(path)) {
    throw new XengtError(
      'XENGT_E_CONFIG',
      `${key}: another daemon serves at ${path}; stop it, or choose another --${key} path`,
    );
  }
  rmSync(path, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    const end = (answered: boolean) => {
      probe.destroy();
      resolve(answered);
    };
    probe.once('connect', () => end(true));
    probe.once('error', () => end(false));
  });
}
