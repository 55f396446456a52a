/** @file How much goes through the transport: written by one member, read, decoded and acknowledged by another. */
import { openOnKafka } from './open.mjs';

/** Publishes with so many open at a time, and resolves the seconds until the last one is acknowledged. */
async function seconds({ transport, topic, messages, open, maxInFlight }) {
  let left = messages.length;
  let done;
  const all = new Promise((resolve) => {
    done = resolve;
  });
  const reading = transport.subscribe({ topic, consumerGroup: 'bench', maxInFlight }).subscribe(({ ack }) => {
    ack();
    left -= 1;
    if (left === 0) done();
  });
  // The group is there when its first message has come.
  const [first, ...others] = messages;
  await transport.publish(topic, { key: first.groupId, message: first });
  while (left === messages.length) await new Promise((resolve) => setTimeout(resolve, 10));
  const startedAt = performance.now();
  const queue = others.values();
  const publish = async () => {
    for (const message of queue) await transport.publish(topic, { key: message.groupId, message });
  };
  await Promise.all(Array.from({ length: open }, publish));
  await all;
  const took = (performance.now() - startedAt) / 1000;
  reading.unsubscribe();
  await transport.close();
  return took;
}

const ticket = (index) => ({
  groupId: `0-${index}`,
  groupIndex: index,
  trainingStage: 0,
  prompt: 'a red circle above a blue square',
});

/** Groups of the size of Stable Diffusion 1.5: one branch, 20 steps, latents of 4 x 64 x 64 in float16. */
export async function benchTrajectories(place, count = 300) {
  const { transport } = await openOnKafka(place, ['transport.kafka.partitions=1']);
  const steps = 20;
  const size = 4 * 64 * 64;
  const latents = Float32Array.from({ length: (steps + 1) * size }, (_, index) => ((index * 37) % 101) / 64);
  const trainedSteps = Array.from({ length: steps }, (_, step) => step);
  const messages = Array.from({ length: count }, (_, index) => ({
    ...ticket(index),
    interval: { trainingStage: 0, firstStep: 0, numSteps: steps, trainedSteps },
    tree: { firstStep: 0, widths: Array.from({ length: steps + 1 }, () => 1) },
    policyVersion: 0,
    branches: [{ firstStep: 0, latents, logProbs: new Float32Array(steps).fill(-1.5) }],
  }));
  const bytes = 2 * latents.length;
  const took = await seconds({ transport, topic: 'trajectories', messages, open: 8, maxInFlight: 64 });
  return { bytes, bytesPerSecond: ((count - 1) * bytes) / took };
}

/** Prompts a second. */
export async function benchPrompts(place, count = 50_000) {
  const { transport } = await openOnKafka(place, ['transport.capacity=10000']);
  const messages = Array.from({ length: count }, (_, index) => ticket(index));
  const took = await seconds({ transport, topic: 'prompts', messages, open: 2000, maxInFlight: 5000 });
  return (count - 1) / took;
}
