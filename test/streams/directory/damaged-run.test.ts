import { createHash } from 'node:crypto';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { savedForm } from '../../../src/streams/directory/saved-config.js';
import { readReport } from '../../../src/streams/report/write-report.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import {
  adapterOf,
  type EndedRun,
  eventsOf,
  isRound,
  runTiny,
  TINY_STAGES,
  tinyConfig,
  UNGUARDED,
} from '../../fixtures/tiny-run.js';
import { snapshot } from '../../fixtures/undisturbed-tiny.js';

/** A run whose steps are so large that a later round spoils what an earlier one gained, and what a crash in round 1 leaves. */
async function crashedRun() {
  const own = await temporaryFolder();
  const overrides = [
    ...UNGUARDED,
    'evaluation.everyRounds=1',
    'evaluation.pictures=always',
    'stages.trainer.learningRate=0.1',
  ];
  const config = await tinyConfig(own, { overrides });
  const [undisturbed, path] = [join(own, 'undisturbed'), join(own, 'damaged')];
  let hasCrashed = false;
  const run = await runTiny({
    config,
    path: undisturbed,
    onEvent: (event) => {
      if (hasCrashed || !isRound(1)(event)) return;
      hasCrashed = true;
      snapshot(undisturbed, path);
    },
  });
  return { config, undisturbed, run, path };
}

it('should keep the best policy, and go on to the same bytes where all beside the checkpoints was damaged', async () => {
  const { config, undisturbed, run, path } = await crashedRun();
  await expectBestPolicy(undisturbed, run);
  const grids = (await readdir(join(undisturbed, 'samples'))).filter((name) => name.startsWith('round-'));
  expect(grids.toSorted()).toEqual([0, 1, 2, 3].map((round) => `round-000${round}.png`));
  const at = (...names: string[]) => join(path, ...names);
  const [picture, figures] = [
    await readFile(at('samples', 'round-0000.png')),
    await readFile(at('best', 'evaluation.json'), 'utf8'),
  ];

  // The figures of the base model, in the log; the log's events, the config, the best policy's figures, the pictures.
  await writeFile(
    at('metrics.jsonl'),
    (await readFile(at('metrics.jsonl'), 'utf8')).replace('"rewardMean"', '"rewardMeam"'),
  );
  await writeFile(at('events.out.tfevents.tributary'), 'garbage');
  await writeFile(at('config.yaml'), '{');
  await truncate(at('best', 'evaluation.json'), 30);
  await truncate(at('samples', 'round-0000.png'), 60);
  await rm(at('samples', 'prompts.txt'));

  // The checkpoint itself is whole, but was written on another version of onnxruntime.
  const [state, manifest] = [at('checkpoints', '1', 'state.json'), at('checkpoints', '1', 'manifest.json')];
  const content = JSON.parse(await readFile(state, 'utf8'));
  content.computation.onnxruntime = '1.0.0';
  await writeFile(state, JSON.stringify(content));
  const { files, ...rest } = JSON.parse(await readFile(manifest, 'utf8'));
  files['state.json'] = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  await writeFile(manifest, JSON.stringify({ ...rest, files }));

  const resumed = await runTiny({ config, path, resume: true });
  expect(resumed.error).toBeUndefined();
  expect(await adapterOf(path)).toEqual(await adapterOf(undisturbed));
  expect(parse(await readFile(at('config.yaml'), 'utf8'))).toEqual(savedForm(config));
  expect(await readFile(at('samples', 'round-0000.png'))).toEqual(picture);
  const bestBefore = JSON.parse(figures).round;
  expect(resumed.warnings).toEqual([
    expect.stringContaining(
      `${at('config.yaml')}: expected the config of the run, got text that is not YAML.`,
    ),
    expect.stringContaining('got 1 that cannot be used: line 1 (train.rewardMean: expected a number).'),
    `${at('samples', 'round-0000.png')}: expected a PNG, got a PNG that is cut short. The pictures of the base model are made anew.`,
    expect.stringContaining(`${at('checkpoints', '1')} version of onnxruntime: expected 1.0.0`),
    expect.stringContaining(`Its figures are restored from the log: those after ${bestBefore} rounds.`),
  ]);
  const report = await readReport(path, config);
  expect(report.notes).toEqual([]);
  expect(report.evaluations.map(({ round }) => round)).toEqual([0, 1, 2, 3]);
  expect(report.grids?.prompts).toEqual((await readReport(undisturbed, config)).grids?.prompts);
  expect(report.best?.round).toBe((await readReport(undisturbed, config)).best?.round);
});

/** The best policy is that of the evaluation with the highest reward on held-out prompts. */
async function expectBestPolicy(path: string, run: EndedRun): Promise<void> {
  const [finished] = eventsOf(run, 'finished');
  const rewards = eventsOf(run, 'evaluation').map(({ evaluation }) => evaluation.heldOut.rewardMean);
  const round = rewards.indexOf(Math.max(...rewards));
  expect([0, TINY_STAGES]).not.toContain(round);
  expect(finished).toMatchObject({ best: { round: round }, tuned: { round: TINY_STAGES } });
  expect(JSON.parse(await readFile(join(path, 'best', 'evaluation.json'), 'utf8'))).toEqual(finished?.best);
  const kept = await adapterOf(join(path, 'best'));
  expect(kept).toEqual(await adapterOf(join(path, 'checkpoints', String(round))));
  expect(await adapterOf(path)).toEqual(await adapterOf(join(path, 'checkpoints', String(TINY_STAGES))));
}
