import { behavesAsAGpu } from './behaviour.js';

behavesAsAGpu();
