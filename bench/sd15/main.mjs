/**
 * @file `npm run bench:sd15`: time and memory of a UNet of Stable Diffusion 1.5's size on this machine's CPU, beside its own
 * matrix product, and beside PyTorch where a Python with torch, diffusers and peft is named.
 *
 *     npm run bench:sd15 -- [--python <python>] [--runs 5] [--threads 2] [--folder .cache/sd15]
 *
 * The weights are random, 3.4 GB, made once in the folder. Every figure is a process of its own; the processes of the two
 * programs take turns, so that a slow moment of the machine meets both.
 */

import { execFile } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { createOnnxRuntimeEngine } from '../../dist/models/engines/onnxruntime/engine.js';
import { encodeGraph } from '../../dist/models/graph/onnx/encode.js';
import { feedsOf } from '../feeds.mjs';
import { productFlop } from '../flops.mjs';
import { matrixProduct } from '../matrix-product.mjs';
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
const run = promisify(execFile);
const lastLine = (text) => JSON.parse(text.trim().split('\n').at(-1));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Operations a second of the best of some products: neighbors on the machine only ever make one slower. */
async function matrixRate() {
  const engine = createOnnxRuntimeEngine({ providers: ['cpu'], threads });
  try {
    const graph = matrixProduct();
    const executable = await engine.compile(encodeGraph(graph), { label: 'matrix product' });
    await executable.hold(feedsOf(graph));
    let best = 0;
    for (let index = 0; index < 15; index++) {
      const startedAt = performance.now();
      await executable.run({});
      best = Math.max(best, (1000 * productFlop(graph)) / (performance.now() - startedAt));
    }
    return best;
  } finally {
    await engine.close();
  }
}

async function tributary({ folder, what }) {
  const args = ['bench/sd15/measure.mjs', folder, '--what', what, '--runs', values.runs];
  return lastLine((await run(process.execPath, [...args, '--threads', values.threads])).stdout);
}

async function pytorch({ folder, python }) {
  if (values.python === undefined) return null;
  const args = ['tools/reference/sd15_speed.py', join(folder, 'unet'), ...python, '--runs', values.runs];
  return lastLine((await run(values.python, [...args, '--threads', values.threads])).stdout);
}

say(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${threads} threads, ${(totalmem() / 1e9).toFixed(0)} GB, Node ${process.version}`,
);
const rates = [await matrixRate()];
const measured = [];
for (const figure of FIGURES) {
  const folder = await randomFolder(values.folder, figure.size);
  const [ours, theirs] = [[], []];
  for (let round = 0; round < figure.rounds; round++) {
    ours.push(await tributary({ ...figure, folder }));
    const other = await pytorch({ ...figure, folder });
    if (other) theirs.push(other);
    rates.push(await matrixRate());
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

const rate = Math.max(...rates);
say(
  `matrix product 2048: ${(rate / 1e9).toFixed(0)} GFLOP/s at best${measured[0].theirs ? `; PyTorch ${measured[0].theirs.torch}` : ''}`,
);
const gb = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
console.table(
  measured.map(({ title, ours, theirs, mostGb }) => ({
    figure: title,
    'median s': ours.seconds.toFixed(2),
    'best s': ours.best.toFixed(2),
    'share of matrix product, best': `${((100 * ours.flop) / ours.best / rate).toFixed(0)} %`,
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
