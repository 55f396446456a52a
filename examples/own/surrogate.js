// A surrogate of one's own: truncated importance sampling, the loss -A min(ρ, 1 + e), with the ratio ρ = π / π_old cut
// off from above for good and bad pictures alike. Values are of shape [rows], and the loss must be, too.

import { defineSurrogate, number } from 'tributary-rl';

export default defineSurrogate({
  fields: { clipRange: number({ from: '(0', to: '1)' }).default(1e-4) },
  create: ({ clipRange }) => ({
    trainsOn: 'steps',
    clipRange,
    loss: ({ policy, oldLogProb, advantage }) => {
      const ratio = policy.logProb.sub(oldLogProb).exp();
      return advantage.mul(ratio.min(1 + clipRange)).neg();
    },
  }),
});
