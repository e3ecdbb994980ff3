/** 3D, GPGPU and media work: nothing is drawn or computed, only time passes, by the size of the work. */
import type { Executor } from './types.js';

/** Vertices per instance times instances. Source: PRM SKL Vol 2a "3DPRIMITIVE". */
export const primitive: Executor = (engine, dw, length) => {
  const { cost } = engine.device;
  engine.atArbitrationPoint = true;
  const vertices = length >= 5 ? dw[2]! * Math.max(1, dw[4]!) : 0;
  return Math.min(cost.drawMost, cost.draw + vertices * cost.drawVertex);
};

/** Thread groups in three dimensions. Source: PRM SKL Vol 2a "GPGPU_WALKER". */
export const walker: Executor = (engine, dw, length) => {
  const { cost } = engine.device;
  engine.atArbitrationPoint = true;
  const groups = length >= 13 ? dw[7]! * dw[10]! * dw[12]! : 0;
  return Math.min(cost.dispatchMost, cost.dispatch + groups * cost.dispatchGroup);
};

export const mediaObject: Executor = (engine) => engine.device.cost.mediaObject;
