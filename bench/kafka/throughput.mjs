/** @file How much goes through the transport: written by processes of their own, read, decoded and acknowledged by this one. */
import { fork } from 'node:child_process';
import { openOnKafka } from './open.mjs';

/**
 * Opens a topic and lets writers fill it. Returns the messages a second, from the first one that came to the last. The
 * writers begin when the reader has its partitions.
 */
async function perSecond(place, { topic, writers, count, open, maxInFlight, settings }) {
  const { config, transport } = await openOnKafka(place, settings);
  const processes = Array.from({ length: writers }, () => fork(new URL('./writer.mjs', import.meta.url)));
  const said = (what) =>
    Promise.all(
      processes.map(
        (process) => new Promise((resolve) => process.on('message', (text) => text === what && resolve())),
      ),
    );
  const areReady = said('ready');
  for (const [writer, process] of processes.entries())
    process.send({ config, topic, open, first: writer, step: writers, count });
  let startedAt = 0;
  let left = count;
  const all = new Promise((resolve) => {
    transport.subscribe({ topic, consumerGroup: 'bench', maxInFlight }).subscribe(({ ack, key }) => {
      ack();
      if (key === 'warm-up') return;
      if (left === count) startedAt = performance.now();
      left -= 1;
      if (left === 0) resolve(performance.now());
    });
  });
  await areReady;
  for (const process of processes) process.send('write');
  const took = ((await all) - startedAt) / 1000;
  for (const process of processes) process.kill('SIGKILL');
  await transport.close();
  return (count - 1) / took;
}

/** Bytes of the latents of one message, and how many of them a second. */
export async function benchTrajectories(place, count = 600) {
  const messages = await perSecond(place, {
    topic: 'trajectories',
    writers: 2,
    count,
    open: 8,
    maxInFlight: 64,
    settings: ['transport.kafka.partitions=1'],
  });
  const bytes = 2 * 21 * 4 * 64 * 64;
  return { bytes, bytesPerSecond: messages * bytes };
}

/** Prompts a second. */
export async function benchPrompts(place, count = 50_000) {
  return perSecond(place, {
    topic: 'prompts',
    writers: 1,
    count,
    open: 2000,
    maxInFlight: 5000,
    settings: ['transport.capacity=10000'],
  });
}
