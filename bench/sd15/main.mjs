/**
 * @file `npm run bench:sd15`: time and memory of a UNet of Stable Diffusion 1.5's size on this machine's CPU, beside its
 * best matrix product, and beside PyTorch where a Python with torch, diffusers and peft is named.
 *
 *     npm run bench:sd15 -- [--python <python>] [--runs 5] [--threads 2] [--folder .cache/sd15]
 *
 * The weights are random, 3.4 GB, made once in the folder. Every figure is a process of its own; the processes of the two
 * programs take turns, so that a slow moment of the machine meets both.
 */

import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runNode, runPython } from '../processes.mjs';
import { median } from '../timing.mjs';
import { createYardstick } from '../yardstick.mjs';
import { randomFolder } from './random-folder.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    runs: { type: 'string', default: '5' },
    threads: { type: 'string', default: '2' },
    folder: { type: 'string', default: '.cache/sd15' },
  },
});
const threads = Number(values.threads);

/**
 * The figures, what memory each may take at most, and how PyTorch does the same. The processes of `rounds` rounds take
 * turns; a step at 512 px is long enough for one.
 */
const FIGURES = [
  {
    title: 'forward pass, 256 px',
    size: 256,
    what: 'forward',
    python: ['--what', 'forward'],
    mostGb: 7,
    rounds: 2,
  },
  {
    title: 'LoRA training step, 256 px',
    size: 256,
    what: 'training',
    python: ['--what', 'training'],
    mostGb: 7,
    rounds: 2,
  },
  {
    title: 'LoRA training step, 512 px, blocks computed again',
    size: 512,
    what: 'training-blocks',
    python: ['--what', 'training', '--checkpointing'],
    mostGb: 9,
    rounds: 1,
  },
];

const say = (text) => console.log(text);
const yardstick = createYardstick(threads, values.python);
const often = ['--runs', values.runs, '--threads', threads];

const tributary = ({ folder, what }) => runNode('bench/sd15/measure.mjs', [folder, '--what', what, ...often]);

const pytorch = ({ folder, python }) =>
  runPython(values.python, 'tools/reference/sd15_speed.py', [join(folder, 'unet'), ...python, ...often]);

say(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${threads} threads, ${(totalmem() / 1e9).toFixed(0)} GB, Node ${process.version}`,
);
await yardstick.measure();
const measured = [];
for (const figure of FIGURES) {
  const folder = await randomFolder(values.folder, figure.size);
  const [ours, theirs] = [[], []];
  for (let round = 0; round < figure.rounds; round++) {
    ours.push(await tributary({ ...figure, folder }));
    if (values.python !== undefined) theirs.push(await pytorch({ ...figure, folder }));
    await yardstick.measure();
  }
  measured.push({ ...figure, ours: joined(ours), theirs: theirs.length > 0 ? joined(theirs) : null });
}

/** Runs of both rounds. */
function joined(rounds) {
  return {
    ...rounds[0],
    seconds: median(rounds.flatMap(({ seconds }) => seconds)),
    best: Math.min(...rounds.flatMap(({ seconds }) => seconds)),
    peakBytes: Math.max(...rounds.map(({ peakBytes }) => peakBytes)),
  };
}

say(`matrix product: ${yardstick}`);
const gb = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
console.table(
  measured.map(({ title, ours, theirs, mostGb }) => ({
    figure: title,
    'median s': ours.seconds.toFixed(2),
    'best s': ours.best.toFixed(2),
    'share of the best product, best': `${((100 * ours.flop) / ours.best / yardstick.best()).toFixed(0)} %`,
    memory: `${gb(ours.peakBytes)} of ${mostGb}`,
    ...(theirs
      ? {
          'PyTorch, median s': theirs.seconds.toFixed(2),
          'time / PyTorch': (ours.seconds / theirs.seconds).toFixed(2),
          'PyTorch memory': gb(theirs.peakBytes),
        }
      : {}),
  })),
);
