import { createTfjsEngine } from '../../src/models/engines/tfjs/engine.js';
import { NATIVE_BACKENDS } from '../fixtures/tfjs-backends.js';
import { describeEngine } from './engine-contract.js';

for (const backend of ['wasm', ...NATIVE_BACKENDS] as const) {
  describeEngine(`tfjs on ${backend}`, {
    create: () => createTfjsEngine({ backends: [backend], threads: 1, gradients: 'tape' }),
    provider: `tfjs-${backend}`,
  });
}
