/**
 * @file `npm run bench:sdxl`: time and memory of a UNet of SDXL's size, whose weights are in half precision, on this machine's
 * CPU: a rollout of two steps and a LoRA gradient of one step at 512 px, beside PyTorch where a Python with torch, diffusers and
 * peft is named.
 *
 *     npm run bench:sdxl -- [--python <python>] [--runs 1] [--threads 2] [--folder .cache/sdxl] [--keep] [--small]
 *
 * The weights are random, 5.1 GB, and removed at the end unless `--keep`. Each program has a process of its own, in turn.
 * Linux alone says what of its memory is anonymous. `--small` divides the channels by 5, to try the script.
 */

import { cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runNode, runPython } from '../processes.mjs';
import { median } from '../timing.mjs';
import { randomFolder, removeFolder } from './random-folder.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    runs: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    folder: { type: 'string', default: '.cache/sdxl' },
    keep: { type: 'boolean', default: false },
    small: { type: 'boolean', default: false },
  },
});

/** Gigabytes that the figures allow at most. */
const MOST = { resident: 13.5, anonymous: 3.5 };

const gb = (bytes) => (bytes / 1e9).toFixed(2);
const often = ['--runs', values.runs, '--threads', values.threads];
console.log(
  `${cpus()[0]?.model}, ${cpus().length} cores, ${values.threads} threads, ${gb(totalmem())} GB, ${gb(freemem())} free, Node ${process.version}`,
);
const folder = values.small ? `${values.folder}-small` : values.folder;
await randomFolder(folder, 512, values.small ? 5 : 1);
const ours = await runNode('bench/sdxl/measure.mjs', [folder, ...often]);
console.log(JSON.stringify(ours));
const theirs =
  values.python === undefined
    ? null
    : await runPython(values.python, 'tools/reference/sdxl_speed.py', [join(folder, 'unet'), ...often]);
if (!values.keep) await removeFolder(folder);

const row = ({ seconds, cpuSeconds, peak }) => ({
  ...Object.fromEntries(
    Object.keys(seconds).map((part) => [
      `${part}, s (all cores)`,
      `${median(seconds[part]).toFixed(1)} (${median(cpuSeconds[part]).toFixed(1)})`,
    ]),
  ),
  'resident, GB': gb(peak.resident),
  'anonymous, GB': gb(peak.anonymous),
  'mapped, GB': gb(peak.files),
});
console.table({
  Tributary: row(ours),
  ...(theirs && { [`PyTorch ${theirs.torch}`]: row(theirs) }),
});
const over = Object.entries(MOST).filter(([kind, most]) => ours.peak[kind] / 1e9 > most);
for (const [kind, most] of over) console.log(`${kind}: more than ${most} GB`);
process.exitCode = over.length > 0 ? 1 : 0;
