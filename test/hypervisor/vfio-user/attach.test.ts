import { constants } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../../src/hypervisor/native.js';
import { COMMAND, FLAG } from '../../../src/hypervisor/vfio-user/protocol.js';
import { APERTURE, closeFile, fields, MIB, mapBody, QEMU_CAPABILITIES, Rig, readBody, versionBody } from './rig.js';

const native = loadNative();
const { errno } = constants;

describe.runIf(native)('a VMM that attaches over vfio-user', () => {
  const rigs: Rig[] = [];
  const newRig = (more?: ConstructorParameters<typeof Rig>[1]): Rig => {
    const rig = new Rig(native as Native, more);
    rigs.push(rig);
    return rig;
  };
  afterEach(() => {
    for (const rig of rigs.splice(0)) rig.close();
  });

  it('goes through all that QEMU 11 sends before the guest runs', () => {
    const rig = newRig();
    const client = rig.connect();

    const version = rig.ask(client, COMMAND.VERSION, versionBody());
    expect(version.flags).toBe(FLAG.REPLY);
    expect(version.body.getUint32(0, true)).toBe(0);
    const text = Buffer.from(version.body.buffer.slice(4)).toString();
    expect(text.endsWith('\0')).toBe(true);
    expect(JSON.parse(text.slice(0, -1))).toEqual({
      capabilities: {
        max_msg_fds: 16,
        max_data_xfer_size: 4096,
        max_dma_maps: 65535,
        pgsizes: 4096,
        write_multiple: true,
      },
    });
    expect(version.body.byteLength).toBeLessThanOrEqual(versionBody().length);

    // Several maps at once, before any answer; only RAM has a descriptor.
    const ram = rig.ram(8 * MIB);
    client.send(COMMAND.DMA_MAP, mapBody(0, 0xa0000), { fds: [ram] });
    client.send(COMMAND.DMA_MAP, mapBody(0xfffc0000, 0x40000, 0, 1));
    client.send(COMMAND.DMA_MAP, mapBody(0x100000, 7 * MIB, 0x100000), { fds: [ram] });
    client.send(COMMAND.DMA_MAP, mapBody(0xa0000, 0x20000));
    const last = client.send(COMMAND.DEVICE_GET_INFO, fields(16, 0, 0, 0));
    closeFile(ram);
    rig.settle();
    const replies = client.replies();
    expect(replies.map((r) => [r.command, r.flags, r.errno])).toEqual([
      [COMMAND.DMA_MAP, 1, 0],
      [COMMAND.DMA_MAP, 1, 0],
      [COMMAND.DMA_MAP, 1, 0],
      [COMMAND.DMA_MAP, 1, 0],
      [COMMAND.DEVICE_GET_INFO, 1, 0],
    ]);
    const memory = rig.port?.memory;
    expect(memory?.mappedFrames).toBe(0xa0 + 7 * 256);
    expect(replies[4]?.id).toBe(last);
    const info = replies[4]!.body;
    expect([0, 4, 8, 12].map((at) => info.getUint32(at, true))).toEqual([16, 3, 9, 5]);

    const sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((index) => {
      const { body } = rig.ask(client, COMMAND.GET_REGION_INFO, fields(32, 0, index, 0, 0n, 0n));
      expect(body.byteLength).toBe(32);
      expect(body.getUint32(8, true)).toBe(index);
      return [body.getUint32(4, true), Number(body.getBigUint64(16, true))];
    });
    expect(sizes).toEqual([
      [3, 16 * MIB],
      [0, 0],
      [3, APERTURE],
      [0, 0],
      [0, 0],
      [0, 0],
      [0, 0],
      [3, 256],
      [0, 0],
    ]);

    const irqs = [0, 1, 2, 3, 4].map((index) => {
      const { body } = rig.ask(client, COMMAND.GET_IRQ_INFO, fields(16, 0, index, 0));
      return [body.getUint32(4, true), body.getUint32(8, true), body.getUint32(12, true)];
    });
    expect(irqs).toEqual([
      [7, 0, 1],
      [9, 1, 1],
      [0, 2, 0],
      [0, 3, 0],
      [0, 4, 0],
    ]);

    const config = rig.ask(client, COMMAND.REGION_READ, readBody(7, 0, 256)).body;
    expect(new Uint8Array(config.buffer, 16)).toEqual(rig.device.config);

    expect(rig.ask(client, COMMAND.DEVICE_RESET, new Uint8Array(0)).errno).toBe(0);
    expect(rig.device.resets).toBe(1);
    expect(rig.server.counters.unanswered).toBe(0);
    expect(rig.server.counters.refused).toBe(0);
    expect(rig.server.counters.messagesByName()).toEqual({
      VERSION: 1,
      DMA_MAP: 4,
      DEVICE_GET_INFO: 1,
      GET_REGION_INFO: 9,
      GET_IRQ_INFO: 5,
      REGION_READ: 1,
      DEVICE_RESET: 1,
    });
    client.close();
  });

  it('is offered nothing that it did not propose', () => {
    const rig = newRig();
    const client = rig.connect();
    const { body } = rig.ask(client, COMMAND.VERSION, versionBody('{"capabilities":{"max_msg_fds":4}}\0'));
    expect(Buffer.from(body.buffer.slice(4)).toString()).toBe('{"capabilities":{"max_msg_fds":4}}\0');
    client.close();
  });

  it('may leave its capabilities out', () => {
    const rig = newRig();
    const client = rig.connect();
    expect(rig.ask(client, COMMAND.VERSION, versionBody('')).errno).toBe(0);
    client.close();
  });

  it('is not offered coalesced writes where the operator turned them off', () => {
    const rig = newRig({ writeMultiple: false });
    const client = rig.connect();
    const { body } = rig.ask(client, COMMAND.VERSION, versionBody(`${QEMU_CAPABILITIES}\0`));
    expect(Buffer.from(body.buffer).toString()).not.toContain('write_multiple');
    client.close();
  });

  it('is told when its device cannot be made, and is let go', () => {
    const rig = newRig();
    rig.refusal = new Error('no fences left');
    const client = rig.connect();
    expect(rig.ask(client, COMMAND.VERSION, versionBody()).errno).toBe(errno.EIO);
    client.replies();
    expect(client.open).toBe(false);
    expect(rig.log.join()).toContain('no fences left');
    expect(rig.detached).toEqual([]);
    client.close();
  });

  it('of another major version is told so and let go', () => {
    const rig = newRig();
    const client = rig.connect();
    expect(rig.ask(client, COMMAND.VERSION, versionBody(undefined, 1)).errno).toBe(errno.EPROTONOSUPPORT);
    client.replies();
    expect(client.open).toBe(false);
    client.close();
  });
});
