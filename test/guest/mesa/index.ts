/** mesa: programs on Mesa's and the VA-API drivers in two guests at once; each must run to its end. */
export { type MesaRequest, mesaMain } from './main.js';
export { type Program, programsOn } from './programs.js';
