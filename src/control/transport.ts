/** How a vGPU's guest is named to the operator. */
import type { VgpuTransport } from '../mediator/api.js';

/** Socket, journal or domain. */
export function guestOf(transport: VgpuTransport): string {
  switch (transport.kind) {
    case 'vfio-user':
      return transport.socket;
    case 'replay':
      return transport.file;
    case 'xen':
      return `domain ${transport.domid}`;
  }
}
