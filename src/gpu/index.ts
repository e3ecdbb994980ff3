/** gpu: the one device below the mediator, as a port, and the software model behind it. */
export * from './model/index.js';
export * from './port.js';
