/** A writer of the archive format that Linux takes as its initramfs: cpio "newc" (Linux: buffer-format.rst). */

export type CpioEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'file'; readonly path: string; readonly content: Buffer; readonly executable?: boolean }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | { readonly kind: 'character'; readonly path: string; readonly major: number; readonly minor: number };

const S_IFCHR = 0o020000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

function modeOf(entry: CpioEntry): number {
  switch (entry.kind) {
    case 'folder':
      return S_IFDIR | 0o755;
    case 'file':
      return S_IFREG | (entry.executable === true ? 0o755 : 0o644);
    case 'link':
      return S_IFLNK | 0o777;
    case 'character':
      return S_IFCHR | 0o600;
  }
}

function bodyOf(entry: CpioEntry): Buffer {
  if (entry.kind === 'file') return entry.content;
  if (entry.kind === 'link') return Buffer.from(entry.target);
  return Buffer.alloc(0);
}

function padded(part: Buffer): Buffer {
  const rest = part.length % 4;
  return rest === 0 ? part : Buffer.concat([part, Buffer.alloc(4 - rest)]);
}

function record(inode: number, name: string, mode: number, body: Buffer, major: number, minor: number): Buffer[] {
  const nameBytes = Buffer.from(`${name}\0`);
  // magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
  const fields = [inode, mode, 0, 0, 1, 0, body.length, 0, 0, major, minor, nameBytes.length, 0];
  const header = Buffer.from(`070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`);
  return [padded(Buffer.concat([header, nameBytes])), padded(body)];
}

/** The archive, uncompressed; folders must come before what is in them. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const device = entry.kind === 'character' ? entry : { major: 0, minor: 0 };
    parts.push(...record(index + 1, entry.path, modeOf(entry), bodyOf(entry), device.major, device.minor));
  });
  parts.push(...record(0, 'TRAILER!!!', 0, Buffer.alloc(0), 0, 0));
  return Buffer.concat(parts);
}
