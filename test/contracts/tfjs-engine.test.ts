import { createTfjsEngine } from '../../src/models/engines/tfjs/engine.js';
import { describeEngine } from './engine-contract.js';

describeEngine('tfjs', {
  create: () => createTfjsEngine({ backends: ['wasm'], threads: 1, gradients: 'tape' }),
  provider: 'tfjs-wasm',
});
