/** The Debian mirror that this machine already uses, so that the rig works wherever apt does. */
import { readFileSync } from 'node:fs';
import { XengtError } from '../../../src/base/index.js';
import { runCommand } from './run-command.js';

/** Debian's main archive as named in apt's configuration (not the security or a third party's archive). */
export async function debianMirror(): Promise<string> {
  const output = await runCommand('apt-get', [
    'indextargets',
    '--format',
    '$(SITE)\t$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)\t$(CREATED_BY)',
  ]);
  const release = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
  const rows = output
    .split('\n')
    .map((line) => line.split('\t'))
    .filter((row) => row[3] === 'main' && row[4] === 'Packages');
  // The archive that carries the machine's own release is Debian's; others (security, updates, vendors) are not wanted.
  const own = rows.find((row) => row[2] === release || row[2] === 'stable' || row[2] === 'oldstable');
  const site = (own ?? rows.find((row) => /\/debian\/?$/.test(row[0] ?? '')))?.[0];
  if (site === undefined || site === '') {
    throw new XengtError(
      'XENGT_E_UNAVAILABLE',
      "The machine's apt configuration names no Debian archive (apt-get indextargets); the guest rig needs one",
    );
  }
  return site.replace(/\/$/, '');
}

/** The proxies that apt uses here, as lines of an apt.conf for the roots that we make. */
export async function aptProxyConfiguration(): Promise<string[]> {
  const output = await runCommand('apt-config', ['dump', 'Acquire']);
  return output.split('\n').filter((line) => /^Acquire::(http|https)::Proxy\b.*"[^"]+";$/.test(line));
}
