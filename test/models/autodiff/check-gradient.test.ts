import { expect, it } from 'vitest';
import { int64 } from '../../../src/models/tensor.js';
import { sharedEngine } from '../../fixtures/shared-engine.js';
import { checkGradients } from './check-gradient.js';
import { real, smooth } from './op-case.js';

it('should notice a gradient that is wrong', async () => {
  const engine = sharedEngine();
  const honest = smooth('Mul', 'whole', [real([3])], (x) => x.mul(x));
  const wrong = smooth('Mul', 'half the gradient', [real([3])], (x) => x.mul(x.stopGradient()));
  const broken = smooth('Gather', 'cannot be built', [real([3])], (x) =>
    x.gather(x.graph.constant(int64([0]))).reshape([2]),
  );
  const findings = await checkGradients(engine, [honest, wrong, broken]);
  expect(findings.get(honest)?.faults).toEqual([]);
  expect(findings.get(wrong)?.faults.length).toBeGreaterThan(0);
  expect(findings.get(broken)?.faults[0]).toContain('while it was built: TributaryError: Reshape');
});
