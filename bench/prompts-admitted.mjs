// Prompts a second from POST /prompts to a ticket that is durable, over the Kafka cluster that KAFKA_BROKERS names:
// node bench/prompts-admitted.mjs [prompts], after `npm run build`. `npm run kafka:up` starts one and prints its address.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadTopology } from '../dist/streams/config/load-topology.js';
import { progressAt } from '../dist/streams/config/resolved/progress-at.js';
import { openPromptSource } from '../dist/streams/stages/prompts/open-prompt-source.js';
import { PromptInbox } from '../dist/streams/stages/prompts/prompt-inbox.js';
import { promptsStage } from '../dist/streams/stages/prompts/prompts-stage.js';
import { openTransport } from '../dist/streams/transport/open-transport.js';

const count = Number(process.argv[2] ?? 20_000);
const PROMPTS_A_REQUEST = 100;
const REQUESTS_AT_ONCE = 8;
const PUBLISHED_ONE_BY_ONE = 500;

const { KAFKA_BROKERS: brokers = 'localhost:9092' } = process.env;
const folder = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
const preset = await loadTopology('config/shapes-ddpo.yaml', [
  'transport.kind=kafka',
  `transport.kafka.brokers=[${brokers}]`,
  `transport.kafka.prefix=bench-${randomUUID()}`,
  `transport.kafka.payloads={type: folder, folder: ${JSON.stringify(folder)}}`,
  `stages.prompts.source={from: topic, maxWaiting: ${count}, http: {port: 0}}`,
]);
// One round that never closes: admission lets everything through.
const sizes = { groupsPerRound: count, runAhead: count, numRounds: 1 };
const prompts = { ...preset.stages.prompts, ...sizes };
const config = { ...preset, stages: { ...preset.stages, prompts } };

const cpuSeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
/** Starts a clock, and returns what stops it and prints the rate, with the share of a core that this process had. */
const clock = () => {
  const [startedAt, cpuBefore] = [performance.now(), cpuSeconds()];
  return (name, number) => {
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = cpuSeconds() - cpuBefore;
    const [rate, cpuRate] = [number / seconds, number / cpu].map((n) =>
      Math.round(n).toLocaleString('en-US'),
    );
    console.log(`${name.padEnd(48)} ${rate} a second, ${cpuRate} a second of CPU`);
  };
};
const perSecond = async (name, number, work) => {
  const stop = clock();
  await work();
  stop(name, number);
};

const { transport } = await openTransport({ config, trainer: null, warn: console.error });
let url = '';
const say = (event) => {
  if (event.kind === 'listening') url = event.url;
};
const { source, close } = await openPromptSource({ config, transport, say, readTrain: async () => [] });

await perSecond('published one after another', PUBLISHED_ONE_BY_ONE, async () => {
  for (let index = 0; index < PUBLISHED_ONE_BY_ONE; index++) {
    await transport.publish('metrics', {
      key: `bench-${index}`,
      message: { kind: 'scored', round: 0, images: 0, verdicts: null },
    });
  }
});
await perSecond('posted, accepted and durable', count, async () => {
  let next = 0;
  const client = async () => {
    while (next < count) {
      const size = Math.min(PROMPTS_A_REQUEST, count - next);
      next += size;
      const response = await fetch(`${url}/prompts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompts: Array(size).fill('a red circle above a blue square') }),
      });
      if (response.status !== 202) throw new Error(await response.text());
      await response.text();
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, client));
});

await transport.publish('progress', { key: 'run', message: progressAt(config, 0) });
const never = new AbortController().signal;
const context = {
  config,
  transport,
  firstRound: 0,
  say,
  stopping: never,
  canceling: never,
  learningRateScale: () => 1,
};
// From the first prompt that is taken in: joining the consumer group takes seconds, once.
const { inbox } = source;
const { assign, settle } = PromptInbox.prototype;
let stop;
let settled = 0;
inbox.assign = (...group) => {
  stop ??= clock();
  assign.apply(inbox, group);
};
await new Promise((resolve, reject) => {
  inbox.settle = (id) => {
    settle.call(inbox, id);
    settled += 1;
    if (settled === count) resolve();
  };
  promptsStage(context, source, () => undefined).subscribe({ error: reject });
});
stop('admitted: read, given a group, ticket durable', count);
await close();
await transport.close();
await rm(folder, { recursive: true });
