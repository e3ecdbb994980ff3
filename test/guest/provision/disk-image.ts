/** A folder as an ext4 image that many guests may read at the same time: nothing in it asks to be written. */
import { runCommand } from './run-command.js';

/** `size` is the file system's, as mke2fs takes it; blocks that nothing uses take no space on the host. */
export async function makeDiskImage(folder: string, image: string, size: string): Promise<void> {
  await runCommand('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal,^metadata_csum', '-d', folder, image, size]);
}
