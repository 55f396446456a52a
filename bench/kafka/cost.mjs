/** @file The same run in one process, in memory and over Kafka, in turn. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const STAGES = 4;
const SHORT = [
  `stages.prompts.numRounds=${STAGES}`,
  'evaluation.trainPrompts=1',
  'evaluation.heldOutPrompts=1',
  'evaluation.imagesPerPrompt=2',
];

/** Median over the rounds of the seconds from the end of the first round to the end of the last. */
export async function benchCost({ addresses, folder, rounds }) {
  const ratios = [];
  const seconds = [];
  for (let round = 0; round < rounds; round++) {
    const inProcess = await secondsOf(join(folder, `memory-${round}`), []);
    const onKafka = await secondsOf(join(folder, `kafka-${round}`), [
      'transport.kind=kafka',
      `transport.kafka.brokers=[${addresses}]`,
      `transport.kafka.prefix=cost-${round}`,
      `transport.kafka.payloads={type: folder, folder: ${JSON.stringify(join(folder, 'payloads'))}}`,
    ]);
    ratios.push(onKafka / inProcess);
    seconds.push(inProcess);
  }
  return { ratio: median(ratios), inProcess: median(seconds) };
}

async function secondsOf(path, settings) {
  const set = [...SHORT, ...settings].flatMap((setting) => ['--set', setting]);
  const args = ['dist/cli/main.js', 'run', 'config/shapes-b2-branch.yaml', '--run-dir', path, ...set];
  await run(process.execPath, args, { maxBuffer: 2 ** 28 });
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const stages = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'round');
  return stages.at(-1).elapsedSeconds - stages[0].elapsedSeconds;
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
