import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';
import { adapterOf, eventsOf, runTiny, TINY_STAGES, tinyConfig, UNGUARDED } from '../../fixtures/tiny-run.js';

describe('the best policy', () => {
  it('should be that of the evaluation with the highest reward on held-out prompts', async () => {
    const own = await temporaryFolder();
    // Steps so large that the second round spoils what the first one gained.
    const overrides = [...UNGUARDED, 'evaluation.everyRounds=1', 'stages.trainer.learningRate=0.1'];
    const path = join(own, 'run');
    const run = await runTiny({ config: await tinyConfig(own, { overrides }), path });
    const [finished] = eventsOf(run, 'finished');
    const rewards = eventsOf(run, 'evaluation').map(({ evaluation }) => evaluation.heldOut.rewardMean);
    const round = rewards.indexOf(Math.max(...rewards));
    expect([0, TINY_STAGES]).not.toContain(round);
    expect(finished).toMatchObject({ best: { round: round }, tuned: { round: TINY_STAGES } });
    expect(JSON.parse(await readFile(join(path, 'best', 'evaluation.json'), 'utf8'))).toEqual(finished?.best);
    const kept = await adapterOf(join(path, 'best'));
    expect(kept).toEqual(await adapterOf(join(path, 'checkpoints', String(round))));
    expect(await adapterOf(path)).toEqual(await adapterOf(join(path, 'checkpoints', String(TINY_STAGES))));
  });
});
