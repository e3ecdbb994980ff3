// Makes the Debian package from a built tree: `npm run package:deb [-- FOLDER]`. Needs dpkg-deb, which every Debian has.
// The same tree gives the same package: times are those of the last commit, owners are root, names are sorted.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const project = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { version, description, license } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
const MAINTAINER = 'xengt maintainers <maintainers@xengt.invalid>';
const PROGRAM = 'usr/lib/xengt';
const ADDON = join('build', 'Release', 'xengt.node');

const run = (command, ...args) => execFileSync(command, args, { cwd: project, encoding: 'utf8' }).trim();

for (const built of ['dist/src/main.js', 'dist/console/index.html', ADDON]) {
  if (!existsSync(join(project, built))) {
    console.error(`package-deb: ${built} is missing: run npm ci on a machine with g++, make and python3`);
    process.exit(1);
  }
}

/** Seconds: of the release, else of the last commit, else of the newest source. */
function releaseTime() {
  const { SOURCE_DATE_EPOCH: given } = process.env;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  if (existsSync(join(project, '.git'))) return Number(run('git', 'log', '-1', '--format=%ct'));
  return Math.floor(lstatSync(join(project, 'package.json')).mtimeMs / 1000);
}

/** Packages that the program loads when it runs: what the lock has that is not for development, but for the addon's headers. */
function runtimeModules() {
  const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .filter(([path, { dev, devOptional }]) => path.startsWith('node_modules/') && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => !path.endsWith('node-addon-api') && existsSync(join(project, path)))
    .sort();
}

/** The newest version of glibc's symbols that the addon asks for. */
function libcVersion() {
  const text = readFileSync(join(project, ADDON), 'latin1');
  const versions = [...text.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)]);
  const [major, minor] = versions.sort((a, b) => a[0] - b[0] || a[1] - b[1]).at(-1) ?? [2, 17];
  return `${major}.${minor}`;
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .map((entry) => ({ path: join(entry.parentPath, entry.name), entry }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

const time = releaseTime();
const stage = mkdtempSync(join(tmpdir(), 'xengt-deb-'));
chmodSync(stage, 0o755);
const to = (path) => {
  const target = join(stage, path);
  mkdirSync(dirname(target), { recursive: true });
  return target;
};
const copy = (from, path) => cpSync(join(project, from), to(path), { recursive: true, dereference: true });
const write = (path, content) => writeFileSync(to(path), content);
const packed = (content) => gzipSync(content, { level: 9 });

try {
  // The program.
  copy('package.json', `${PROGRAM}/package.json`);
  copy('dist/src', `${PROGRAM}/dist/src`);
  copy('dist/console', `${PROGRAM}/dist/console`);
  copy('assets', `${PROGRAM}/assets`);
  copy(ADDON, `${PROGRAM}/${ADDON}`);
  for (const path of runtimeModules()) copy(path, `${PROGRAM}/${path}`);
  symlinkSync('../lib/xengt/dist/src/main.js', to('usr/bin/xengt'));

  // What stands around it.
  for (const unit of ['xengt.service', 'xengt-qemu.service']) {
    const text = readFileSync(join(project, 'packaging', unit), 'utf8');
    write(`usr/lib/systemd/system/${unit}`, text.replaceAll('/usr/local/bin/', '/usr/bin/'));
  }
  copy('packaging/device-model', 'usr/libexec/xengt/device-model');
  copy('packaging/deb/default', 'etc/default/xengt');
  copy('packaging/grafana', 'usr/share/xengt/grafana');
  copy('packaging/prometheus', 'usr/share/xengt/prometheus');
  copy('packaging/guest.cfg', 'usr/share/doc/xengt/examples/guest.cfg');
  for (const name of readdirSync(join(project, 'docs')).filter((one) => /\.(md|json)$/.test(one))) {
    copy(`docs/${name}`, `usr/share/doc/xengt/${name}`);
  }
  write(
    'usr/share/doc/xengt/copyright',
    `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: xengt\n\nFiles: *\nCopyright: the xengt authors\nLicense: ${license}\n${readFileSync(join(project, 'LICENSE'), 'utf8').trimEnd().replace(/^$/gm, '.').replace(/^/gm, ' ')}\n`,
  );
  const xengt = (...args) => run(process.execPath, join('dist', 'src', 'main.js'), ...args);
  const pages = join(stage, 'pages');
  xengt('man', '--to', pages, '--date', new Date(time * 1000).toISOString().slice(0, 10));
  for (const page of readdirSync(pages))
    write(`usr/share/man/man1/${page}.gz`, packed(readFileSync(join(pages, page))));
  rmSync(pages, { recursive: true });
  write('usr/share/bash-completion/completions/xengt', `${xengt('completion', 'bash')}\n`);
  write('usr/share/zsh/vendor-completions/_xengt', `${xengt('completion', 'zsh')}\n`);
  write('usr/share/fish/vendor_completions.d/xengt.fish', `${xengt('completion', 'fish')}\n`);

  // Modes, sizes and sums.
  const executable = new Set([`${PROGRAM}/dist/src/main.js`, 'usr/libexec/xengt/device-model']);
  let bytes = 0;
  const sums = [];
  for (const { path, entry } of filesBelow(stage)) {
    const name = relative(stage, path);
    if (entry.isDirectory()) chmodSync(path, 0o755);
    if (!entry.isFile()) continue;
    chmodSync(path, executable.has(name) ? 0o755 : 0o644);
    const content = readFileSync(path);
    bytes += content.length;
    sums.push(`${createHash('md5').update(content).digest('hex')}  ${name}\n`);
  }

  const architecture = run('dpkg', '--print-architecture');
  write(
    'DEBIAN/control',
    [
      'Package: xengt',
      `Version: ${version}`,
      `Architecture: ${architecture}`,
      `Maintainer: ${MAINTAINER}`,
      `Installed-Size: ${Math.ceil(bytes / 1024)}`,
      `Depends: nodejs (>= 20.19), libc6 (>= ${libcVersion()}), libstdc++6`,
      'Recommends: xenstore-utils | qemu-system-x86 (>= 1:10.1)',
      'Suggests: mdevctl, prometheus, grafana',
      'Section: admin',
      'Priority: optional',
      `Description: ${description[0].toLowerCase()}${description.slice(1)}`,
      ' A mediator for Intel Processor Graphics: it gives every virtual machine a vGPU',
      ' that the unmodified native driver drives. Guests of Xen are served by an ioreq',
      ' server, guests of QEMU over vfio-user.',
      '',
    ].join('\n'),
  );
  write('DEBIAN/conffiles', '/etc/default/xengt\n');
  write('DEBIAN/md5sums', sums.join(''));
  for (const script of ['postinst', 'prerm', 'postrm']) {
    copy(`packaging/deb/${script}`, `DEBIAN/${script}`);
    chmodSync(join(stage, 'DEBIAN', script), 0o755);
  }

  for (const { path } of filesBelow(stage)) lutimesSync(path, time, time);
  lutimesSync(stage, time, time);
  const folder = resolve(process.argv[2] ?? join(project, 'dist'));
  mkdirSync(folder, { recursive: true });
  const deb = join(folder, `xengt_${version}_${architecture}.deb`);
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', stage, deb], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: `${time}` },
  });
  console.log(deb);
} finally {
  rmSync(stage, { recursive: true, force: true });
}
