/** @file Two rounds of the demo through the command line: what a run says of itself. */

import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SHORT = ['stages.prompts.numRounds=2', 'evaluation.imagesPerPrompt=1', 'evaluation.everyRounds=2'];

/** The worst of the figures of the stages: ratio before the first step, event-loop delay, resident memory. */
export async function benchShortRun(config) {
  const folder = await mkdtemp(join(tmpdir(), 'tributary-bench-'));
  try {
    const runDirectory = join(folder, 'run');
    const overrides = SHORT.flatMap((override) => ['--set', override]);
    await run(process.execPath, [
      'dist/cli/main.js',
      'train',
      config,
      '--run-dir',
      runDirectory,
      '--json',
      ...overrides,
    ]);
    const lines = (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const rounds = lines.filter(({ kind }) => kind === 'round');
    const worst = (name) => Math.max(...rounds.map((round) => round[name]));
    return {
      maxRatioDeviation: worst('maxRatioDeviation'),
      eventLoopDelayP99Ms: worst('eventLoopDelayP99Ms'),
      peakRssBytes: worst('peakRssBytes'),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`${args.join(' ')}: exit code ${code}`)),
    );
  });
}
