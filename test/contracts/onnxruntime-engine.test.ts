import { createOnnxRuntimeEngine } from '../../src/models/engines/onnxruntime/engine.js';
import { describeEngine } from './engine-contract.js';

describeEngine('onnxruntime', {
  create: () => createOnnxRuntimeEngine({ providers: ['cpu'], threads: 1 }),
  provider: 'cpu',
});

describeEngine('onnxruntime side by side', {
  create: () => createOnnxRuntimeEngine({ providers: ['cpu'], threads: 2 }),
  provider: 'cpu',
});
