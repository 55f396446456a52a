/**
 * @file `npm run results`: runs the demo with three seeds, one after another, and writes docs/demo.md: means with 95 %
 * intervals over the seeds. Runs that are already complete are taken as they are.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

/** None of them was used to choose the config. */
const SEEDS = [51, 52, 53];
/** 97.5 % quantile of Student's t with SEEDS.length - 1 = 2 degrees of freedom. */
const T_QUANTILE = 4.303;

const { values } = parseArgs({
  options: {
    config: { type: 'string', default: 'config/demo.yaml' },
    folder: { type: 'string', default: 'runs/results' },
  },
});

const percent = (share) => 100 * share;
const LISTS = { train: 'training prompts', heldOut: 'held-out prompts' };
const TEMPLATES = ['binding', 'counting', 'relation'];
/** The share of a template over the pictures of both lists, each of which has as many prompts of every template. */
const ofBothLists = ({ byTemplate, train, heldOut }, template) =>
  (byTemplate[template].train * train.images + byTemplate[template].heldOut * heldOut.images) /
  (train.images + heldOut.images);
const FIGURES = [
  ['verified alignment, training prompts, %', ({ train }) => percent(train.verifiedAlignment), 1],
  ['verified alignment, held-out prompts, %', ({ heldOut }) => percent(heldOut.verifiedAlignment), 1],
  ...TEMPLATES.flatMap((template) => [
    ...Object.entries(LISTS).map(([list, name]) => [
      `${template}, ${name}, %`,
      ({ byTemplate }) => percent(byTemplate[template][list]),
      1,
    ]),
    [`${template}, all prompts, %`, (evaluation) => percent(ofBothLists(evaluation, template)), 1],
  ]),
  ['verifier score, training prompts', ({ train }) => train.verifierScore, 3],
  ['verifier score, held-out prompts', ({ heldOut }) => heldOut.verifierScore, 3],
  ['reward, training prompts', ({ train }) => train.rewardMean, 3],
  ['reward, held-out prompts', ({ heldOut }) => heldOut.rewardMean, 3],
  ['diversity, training prompts', ({ train }) => train.diversity, 3],
  ['diversity, held-out prompts', ({ heldOut }) => heldOut.diversity, 3],
];

function metricsOf(seed) {
  const run = join(values.folder, `seed-${seed}`);
  if (!existsSync(join(run, 'report.html'))) {
    const resume = existsSync(join(run, 'config.yaml')) ? ['--resume'] : [];
    const args = [
      'dist/cli/main.js',
      'train',
      values.config,
      '--set',
      `seed=${seed}`,
      '--run-dir',
      run,
      ...resume,
    ];
    const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    if (status !== 0) process.exit(status ?? 1);
  }
  return readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** `mean ± half-width` of the 95 % interval over the seeds. */
function interval(numbers, digits) {
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const variance = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0) / (numbers.length - 1);
  const halfWidth = T_QUANTILE * Math.sqrt(variance / numbers.length);
  return `${mean.toFixed(digits)} ± ${halfWidth.toFixed(digits)}`;
}

const runs = SEEDS.map((seed) => {
  const lines = metricsOf(seed);
  const evaluations = lines.filter(({ kind }) => kind === 'evaluation');
  const rounds = lines.filter(({ kind }) => kind === 'round');
  const seconds = (Date.parse(lines.at(-1).time) - Date.parse(lines[0].time)) / 1000 + lines[0].seconds;
  return { seed, base: evaluations[0], tuned: evaluations.at(-1), rounds, seconds };
});
const kept = (list) => runs.map(({ base, tuned }) => percent(tuned[list].diversity / base[list].diversity));
const row = (cells) => `| ${cells.join(' | ')} |`;
const table = [
  row(['figure', 'base', 'tuned', 'change']),
  row(['---', '---', '---', '---']),
  ...FIGURES.map(([name, read, digits]) => {
    const [base, tuned] = [runs.map((run) => read(run.base)), runs.map((run) => read(run.tuned))];
    return row([
      name,
      interval(base, digits),
      interval(tuned, digits),
      interval(
        tuned.map((number, index) => number - base[index]),
        digits,
      ),
    ]);
  }),
  row(['diversity kept, training prompts, %', '', interval(kept('train'), 1), '']),
  row(['diversity kept, held-out prompts, %', '', interval(kept('heldOut'), 1), '']),
];
const seedRows = runs.map(({ seed, base, tuned, seconds }, index) => {
  const change = (list) =>
    `${percent(base[list].verifiedAlignment).toFixed(1)} -> ${percent(tuned[list].verifiedAlignment).toFixed(1)}`;
  return row([
    seed,
    change('train'),
    change('heldOut'),
    kept('train')[index].toFixed(1),
    kept('heldOut')[index].toFixed(1),
    seconds.toFixed(0),
  ]);
});
const [{ base, rounds }] = runs;
const page = `# Results of the demo

Written by \`npm run results\` (${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}).
Seeds ${SEEDS.join(', ')}; ${rounds.length} rounds, ${rounds.at(-1).rewardQueries} reward queries each.

Every policy is measured on ${base.train.images} pictures of ${base.train.prompts} training prompts and
${base.heldOut.images} pictures of ${base.heldOut.prompts} held-out prompts, from noise that training never sees and that
is the same for all. So the base model has one figure, whose own standard error, 2 to 3 points, is in no interval.
A cell is the mean over the seeds with its 95 % interval (Student's t; ${SEEDS.length} seeds, so wide).

${table.join('\n')}

By seed:

| seed | training prompts, % | held-out prompts, % | diversity kept, training, % | held-out, % | seconds |
| --- | --- | --- | --- | --- | --- |
${seedRows.join('\n')}

The verifier reads pictures exactly and is never used for training. Diversity is the mean pairwise distance
(1 - cosine) of the reward model's image features (\`image_embeds\`) within a prompt. Seconds: from the start of the
first evaluation to the end of the last. How the settings were chosen, and what had been seen before: docs/settings.md.
`;
writeFileSync('docs/demo.md', page);
console.log(page);
