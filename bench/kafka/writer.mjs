/** @file A process that writes every so-many-th message of a topic, some at a time. */
import { openTransport } from '../../dist/streams/transport/open-transport.js';

const ticket = (index) => ({
  groupId: `0-${index}`,
  groupIndex: index,
  round: 0,
  prompt: 'a red circle above a blue square',
});

/** Groups of the size of Stable Diffusion 1.5: one branch, 20 steps, latents of 4 x 64 x 64 that float16 holds. */
function trajectories() {
  const steps = 20;
  const size = 4 * 64 * 64;
  const latents = Float32Array.from({ length: (steps + 1) * size }, (_, index) => ((index * 37) % 101) / 64);
  const trainedSteps = Array.from({ length: steps }, (_, step) => step);
  const group = {
    interval: { round: 0, firstStep: 0, numSteps: steps, trainedSteps },
    tree: { firstStep: 0, widths: Array.from({ length: steps + 1 }, () => 1) },
    policyVersion: 0,
    branches: [{ firstStep: 0, latents, logProbs: new Float32Array(steps).fill(-1.5) }],
  };
  return (index) => ({ ...ticket(index), ...group });
}

process.once('message', async ({ config, topic, open, first, step, count }) => {
  const { transport } = await openTransport({ config, trainer: null, warn: (text) => console.error(text) });
  const messageOf = topic === 'trajectories' ? trajectories() : ticket;
  const publish = (index) => {
    const message = messageOf(index);
    return transport.publish(topic, { key: message.groupId, message });
  };
  // The first ones pay for the connection and the compiler.
  for (let index = 0; index < 20; index++)
    await transport.publish(topic, { key: 'warm-up', message: messageOf(0) });
  process.send('ready');
  await new Promise((resolve) => process.once('message', resolve));
  let next = first;
  const writeOn = async () => {
    while (next < count) {
      const index = next;
      next += step;
      await publish(index);
    }
  };
  await Promise.all(Array.from({ length: open }, writeOn));
});
