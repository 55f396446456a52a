import { createOnnxRuntimeEngine } from '../../src/models/engines/onnxruntime/engine.js';
import { describeEngine } from './engine-contract.js';

describeEngine('onnxruntime', {
  create: () => createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 }),
  provider: 'cpu',
});
