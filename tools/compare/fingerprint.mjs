/** @file What a run wrote, as digests by which two runs compare. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Figures of the clock and the machine. */
const UNSTEADY = new Set([
  'time',
  'seconds',
  'elapsedSeconds',
  'trainerIdleShare',
  'eventLoopDelayP99Ms',
  'peakRssBytes',
]);

function digest(...parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 12);
}

/**
 * Reads the policy of a run, the tensors of its newest checkpoint and its figures.
 * @returns digests: of the adapter; of every file its bytes, its tensors, and its tensors without their names; of figures.
 * @throws Error if the run trained nothing: then there is nothing to compare.
 */
export async function fingerprintOf(runFolder) {
  const checkpoints = join(runFolder, 'checkpoints');
  const newest = Math.max(
    ...(await readdir(checkpoints)).map((name) => Number(/\d+$/.exec(name)?.[0] ?? -1)),
  );
  const newestName = (await readdir(checkpoints)).find((name) => Number(/\d+$/.exec(name)?.[0]) === newest);
  const files = {};
  let hasMoved = false;
  for (const [label, folder] of [
    ['', runFolder],
    ['checkpoint/', join(checkpoints, newestName)],
  ])
    for (const name of (await readdir(folder)).sort()) {
      if (!name.endsWith('.safetensors')) continue;
      const bytes = await readFile(join(folder, name));
      const tensors = tensorsOf(bytes);
      hasMoved ||= tensors.some(({ name, data }) => isUp(name) && data.some((byte) => byte !== 0));
      files[`${label}${name}`] = {
        bytes: digest(bytes),
        tensors: digest(...tensors.map(({ name, content }) => `${name} ${content}\n`)),
        unnamed: digest(...tensors.map(({ content }) => content).sort()),
      };
    }
  if (!hasMoved) throw new Error(`${runFolder}: expected an adapter that has been trained, got zeros.`);
  const [adapter] = Object.values(files);
  return { adapter: adapter.bytes, files, figures: digest(...(await figuresOf(runFolder))) };
}

/** B of an adapter, which begins at zero. */
const isUp = (name) => /lora_B|lora[._]up/.test(name);

/** Tensors of a safetensors file in the order of their names. */
function tensorsOf(bytes) {
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...entries } = JSON.parse(bytes.toString('utf8', 8, start));
  return Object.entries(entries)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { dtype, shape, data_offsets }]) => {
      const data = bytes.subarray(start + data_offsets[0], start + data_offsets[1]);
      return { name, data, content: digest(JSON.stringify([dtype, shape]), data) };
    });
}

/** All numbers and flags of the metrics, in order, without the names that they go by and without texts. */
async function figuresOf(runFolder) {
  const figures = [];
  const lines = (await readFile(join(runFolder, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  for (const line of lines)
    JSON.parse(line, function keep(key, value) {
      const isFigure = value === null || ['number', 'boolean'].includes(typeof value);
      if (isFigure && !UNSTEADY.has(key)) figures.push(`${value} `);
      return value;
    });
  return figures;
}

/** Compares two runs: differences, and notes on what differs besides the numbers. */
export function compareFingerprints(before, after) {
  const faults = Object.entries({ before, after }).filter(([, { fault }]) => fault);
  if (faults.length > 0)
    return { differences: faults.map(([when, { fault }]) => `fails ${when}: ${fault}`), notes: [] };
  const differences = [];
  const notes = [];
  for (const name of new Set([...Object.keys(before.files), ...Object.keys(after.files)])) {
    const [was, is] = [before.files[name], after.files[name]];
    if (!was || !is) differences.push(`${name}: only ${was ? 'before' : 'after'}`);
    else if (was.bytes === is.bytes) continue;
    else if (was.tensors === is.tensors) notes.push(`${name}: other metadata`);
    else if (was.unnamed === is.unnamed) notes.push(`${name}: other names of tensors`);
    else differences.push(`${name}: ${was.bytes} before, ${is.bytes} after`);
  }
  if (before.figures !== after.figures)
    differences.push(`metrics.jsonl: ${before.figures} before, ${after.figures} after`);
  return { differences, notes };
}
