/** @file More samplers, more groups: processes whose model takes a fixed time a batch. */
import { fork } from 'node:child_process';
import { setTimeout as wait } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { progressAt } from '../../dist/streams/config/resolved/progress-at.js';
import { openTransport } from '../../dist/streams/transport/open-transport.js';
import { configOnKafka } from './open.mjs';

const { Kafka, logLevel } = kafkajs;

const BATCH_MS = 200;
const GROUPS_PER_BATCH = 2;
/** Batches of one sampler that are timed. */
const BATCHES = 50;

export async function benchScaling(place, numbers = [1, 2, 4, 8]) {
  const results = [];
  for (const samplers of numbers) results.push({ samplers, share: await shareOfLinear(place, samplers) });
  return results;
}

/** Groups a second, of those that so many samplers would do which never wait. */
async function shareOfLinear(place, samplers) {
  const groups = samplers * BATCHES * GROUPS_PER_BATCH;
  const settings = [
    `stages.prompts.groupsPerRound=${groups}`,
    `stages.prompts.runAhead=${groups}`,
    `stages.sampler.groupsPerBatch=${GROUPS_PER_BATCH}`,
    'stages.trainer.updates={from: round, samplesPerUpdate: 4}',
  ];
  const config = await configOnKafka(place, settings);
  const { transport } = await openTransport({ config, trainer: null, warn: (text) => console.error(text) });
  const key = 'run';
  await transport.publish('progress', { key, message: progressAt(config, 0) });
  await transport.publish('policy', { key, message: { version: 0, parameters: {} } });
  const interval = { round: 0, firstStep: 9, numSteps: 10, trainedSteps: [9] };
  await transport.publish('schedule', { key, message: interval });
  const workers = Array.from({ length: samplers }, () => startSampler(config));
  await allHavePartitions(config, samplers);
  let sampled = 0;
  let startedAt = 0;
  const all = new Promise((resolve) => {
    transport.subscribe({ topic: 'images', consumerGroup: 'bench', maxInFlight: 64 }).subscribe(({ ack }) => {
      ack();
      sampled += 1;
      // The first batches say that the samplers are at work.
      if (sampled === samplers * GROUPS_PER_BATCH) startedAt = performance.now();
      if (sampled === groups) resolve(performance.now() - startedAt);
    });
  });
  for (let index = 0; index < groups; index++) {
    const groupId = `0-${index}`;
    const message = { groupId, groupIndex: index, round: 0, prompt: 'a' };
    await transport.publish('prompts', { key: groupId, turn: index, message });
  }
  const took = await all;
  for (const worker of workers) worker.kill('SIGKILL');
  await transport.close();
  return ((BATCHES - 1) * BATCH_MS) / took;
}

function startSampler(config) {
  const worker = fork(new URL('./simulated-sampler.mjs', import.meta.url));
  worker.send({ config, batchMs: BATCH_MS });
  return worker;
}

/** Resolves when so many members share the partitions: joining takes seconds, once, and is not what is measured. */
async function allHavePartitions({ transport: { kafka } }, members) {
  const admin = new Kafka({ brokers: kafka.brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const isDone = async () => {
    const { groups } = await admin.describeGroups([`${kafka.prefix}.prompts.samplers`]);
    return groups[0].state === 'Stable' && groups[0].members.length === members;
  };
  while (!(await isDone())) await wait(200);
  await admin.disconnect();
}
