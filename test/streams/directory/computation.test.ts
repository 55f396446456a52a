import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { computationChanges, computationOf } from '../../../src/streams/directory/computation.js';

const now = computationOf({
  sampler: { provider: 'cpu', sessionThreads: 1 },
  reward: { sessionThreads: 0 },
  trainer: { provider: 'cpu', sessionThreads: 2 },
});

test('should name what results depend on to the last bit', async () => {
  const { version } = JSON.parse(await readFile('node_modules/onnxruntime-node/package.json', 'utf8'));
  expect(now).toEqual({ threads: 2, sampler: 'cpu', trainer: 'cpu', onnxruntime: version });
});

test('should say what is not as it was', () => {
  expect(computationChanges('checkpoints/3', now, now)).toEqual([]);
  const before = { ...now, threads: 4, sampler: 'webgpu', onnxruntime: '1.0.0' };
  expect(computationChanges('checkpoints/3', before, now)).toEqual([
    'checkpoints/3 threads of a session: expected 4 as before the resume, got 2. The run continues, but its result may differ in the last bits from that of an uninterrupted run. To restore identical results: set engine.sessionThreads to 4.',
    'checkpoints/3 provider of the sampler: expected webgpu as before the resume, got cpu. The run continues, but its result may differ in the last bits from that of an uninterrupted run. To restore identical results: set engine.sampler and engine.providers so that the sampler runs on webgpu.',
    `checkpoints/3 version of onnxruntime: expected 1.0.0 as before the resume, got ${now.onnxruntime}. The run continues, but its result may differ in the last bits from that of an uninterrupted run. To restore identical results: install onnxruntime-node 1.0.0.`,
  ]);
});
