/**
 * @file Checks that two commits train the same adapters, byte for byte.
 *
 *     node tools/compare-adapters.mjs <before> [<after>] [--only <preset>,...] [--work <folder>]
 *
 * Trains every preset under config/ for two rounds of a few groups with each commit and compares what the runs wrote.
 * <after> is a commit, or `.` for the working tree, which is the default. Presets go by their names, as in
 * `--only demo,dpok`. The work folder keeps what a commit wrote, so that a second comparison runs only what is new; by
 * default it is a temporary folder. Prints a line per preset:
 *
 *     equal      dpok    9c1f0a6c2b7e
 *     DIFFERENT  demo    pytorch_lora_weights.safetensors: 9c1f0a6c2b7e before, 51be02d1a9cc after
 *
 * The digest is the adapter's. The newest checkpoint (optimizer, value network, replay buffer) and the figures of
 * metrics.jsonl are compared too, except for those of the clock and the machine. Files that differ only in metadata, or
 * in the names of their tensors, count as equal, and the line says so. Exits with 1 if a preset differs or fails.
 *
 * tools/compare/short-run.mjs says how a short run departs from its preset. Kafka's preset needs Java 17 and Maven.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { checkOut } from './compare/checkout.mjs';
import { compareFingerprints, fingerprintOf } from './compare/fingerprint.mjs';
import { makeModels, settingsOf, trainShortly } from './compare/short-run.mjs';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, work: { type: 'string' } },
});
const [beforeName, afterName = '.'] = positionals;
if (!beforeName) {
  console.error(
    'compare-adapters: expected the commit to compare with, got nothing. Name one, such as HEAD~1.',
  );
  process.exit(2);
}
const work = values.work ? resolve(values.work) : await mkdtemp(join(tmpdir(), 'compare-adapters-'));
await mkdir(work, { recursive: true });

const resultsPath = join(work, 'results.json');
const results = JSON.parse(await readFile(resultsPath, 'utf8').catch(() => '{}'));

/** Paths of all topologies in a checkout: files with stages, or that extend others. */
async function presetsOf({ folder }) {
  const presets = [];
  for (const room of ['config', 'config/algorithms'])
    for (const file of (await readdir(join(folder, room))).sort()) {
      const path = join(room, file);
      if (path.endsWith('.yaml') && /^(stages|extends):/m.test(await readFile(join(folder, path), 'utf8')))
        presets.push(path);
    }
  return presets;
}

const nameOf = (preset) => basename(preset, '.yaml');

/** What a preset's run wrote in a checkout, or `{ fault }`. Runs it unless results.json has it with the same settings. */
async function resultOf(checkout, preset, models) {
  const settings = settingsOf(checkout, preset, models);
  const key = `${checkout.id} ${nameOf(preset)}`;
  if (results[key]?.settings === settings.join(' ')) return results[key];
  const runFolder = join(work, 'runs', checkout.id, nameOf(preset));
  await rm(runFolder, { recursive: true, force: true });
  try {
    await trainShortly({ checkout, preset, settings, runFolder, work });
    const result = { ...(await fingerprintOf(runFolder)), settings: settings.join(' ') };
    if (checkout.isCommit) {
      results[key] = result;
      await writeFile(resultsPath, JSON.stringify(results, null, 1));
    }
    return result;
  } catch (error) {
    return { fault: error.message };
  }
}

const before = await checkOut(beforeName, work);
const after = await checkOut(afterName, work);
const models = await makeModels(before, work);
const known = await presetsOf(before);
const only = values.only?.split(',') ?? known.map(nameOf);
const presets = known.filter((preset) => only.includes(nameOf(preset)));
if (presets.length < only.length) {
  console.error(`--only ${only}: expected some of ${known.map(nameOf).join(', ')}. Correct the names.`);
  process.exit(2);
}
let numEqual = 0;
for (const preset of presets) {
  const started = performance.now();
  const pair = [await resultOf(before, preset, models), await resultOf(after, preset, models)];
  const { differences, notes } = compareFingerprints(...pair);
  const isEqual = differences.length === 0;
  if (isEqual) numEqual += 1;
  const said = isEqual ? [pair[0].adapter, ...notes] : differences;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `${isEqual ? 'equal    ' : 'DIFFERENT'}  ${nameOf(preset).padEnd(26)} ${said.join('; ')}  (${seconds} s)`,
  );
}
console.log(`${numEqual} of ${presets.length} presets equal: ${before.id} before, ${after.id} after`);
if (!values.work) await rm(work, { recursive: true, force: true });
process.exitCode = numEqual === presets.length && numEqual > 0 ? 0 : 1;
