/** hypervisor: the port to VMs, and its adapters. */
export * from './native.js';
export * from './port.js';
export * from './sim/index.js';
export * from './vfio-user/index.js';
export * from './waiter.js';
export * from './xen/index.js';
