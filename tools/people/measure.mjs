/**
 * @file What a scripted person teaches: trains an arm of tools/people/arms.mjs on each seed, measures its checkpoints on
 * prompts that nobody voted on, and prints a table. What is in the folder already is not made again.
 *
 *     node tools/people/measure.mjs --arms studio --seeds 81,82,83
 *
 * (after `npm run build`). `--noise` is the seed of the evaluation's pictures, `--choices` the length of a run, `--at` the
 * choices after which it is measured.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ARMS } from './arms.mjs';
import { curves } from './curves.mjs';
import { evaluated, run } from './evaluated.mjs';
import { compared, overSeeds } from './figures.mjs';

const { values: options } = parseArgs({
  options: {
    arms: { type: 'string', default: 'studio' },
    seeds: { type: 'string', default: '81,82,83' },
    noise: { type: 'string', default: '4321' },
    images: { type: 'string', default: '8' },
    choices: { type: 'string', default: '600' },
    at: { type: 'string', default: '100,200,300,600' },
    folder: { type: 'string', default: 'runs/people' },
    svg: { type: 'string' },
  },
});
const seeds = options.seeds.split(',');
const measuredAt = options.at.split(',').map(Number);

/** The run directory of an arm and a seed, with a checkpoint at each number of choices that is measured. */
function trained(arm, seed) {
  const { groups, pictures, settings } = ARMS[arm];
  const directory = join(options.folder, `${arm}-${seed}`);
  const rounds = Number(options.choices) / groups;
  if (existsSync(join(directory, 'report.html'))) return directory;
  const everyRounds = measuredAt.map((choices) => choices / groups).reduce(greatestCommonDivisor);
  const sets = [
    `seed=${seed}`,
    `stages.prompts.groupsPerRound=${groups}`,
    `stages.prompts.runAhead=${groups}`,
    `stages.prompts.numRounds=${rounds}`,
    `stages.sampler.groupsPerBatch=${groups}`,
    `stages.sampler.numBranches=${pictures}`,
    `stages.trainer.updates.samplesPerUpdate=${groups * pictures}`,
    `checkpoints.everyRounds=${everyRounds}`,
    `checkpoints.keep=${rounds / everyRounds}`,
    ...settings,
    `stages.reward.options.seed=${seed}`,
  ];
  const resume = existsSync(join(directory, 'config.yaml')) ? ['--resume'] : [];
  run(
    'dist/cli/main.js',
    'train',
    'tools/people/person.yaml',
    '--run-dir',
    directory,
    ...resume,
    ...sets.flatMap((set) => ['--set', set]),
  );
  return directory;
}

const greatestCommonDivisor = (a, b) => (b === 0 ? a : greatestCommonDivisor(b, a % b));

mkdirSync(options.folder, { recursive: true });
const base = evaluated(options, 'base');
const rows = [];
for (const arm of options.arms.split(',')) {
  const bySeed = seeds.map((seed) => {
    const directory = trained(arm, seed);
    return measuredAt.map((choices) => {
      const round = choices / ARMS[arm].groups;
      const lora = join(directory, 'checkpoints', String(round), 'pytorch_lora_weights.safetensors');
      const found = compared(evaluated(options, `${arm}-${seed}.${choices}`, lora), base);
      return { arm, seed, choices, ...found };
    });
  });
  rows.push(...bySeed.flat());
  for (const [index, choices] of measuredAt.entries())
    console.log(JSON.stringify({ arm, choices, ...overSeeds(bySeed.map((one) => one[index])) }));
}
for (const { perPrompt: _, ...row } of rows) console.log(JSON.stringify(row));
if (options.svg) writeFileSync(options.svg, curves(rows));
