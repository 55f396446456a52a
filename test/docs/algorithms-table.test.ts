import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadTopology } from '../../src/streams/config/load-topology.js';
import { stageOf } from '../../src/streams/config/resolved/stage-of.js';

const PAGE = 'docs/algorithms/presets.md';
const FOLDER = 'config/algorithms';

/** What a preset's row must say. */
async function rowOf(name: string): Promise<string> {
  const config = await loadTopology(`${FOLDER}/${name}.yaml`);
  const sampler = stageOf(config, 'sampler');
  const schedule = stageOf(config, 'schedule');
  const { rule } = stageOf(config, 'advantages');
  const { surrogate } = stageOf(config, 'trainer');
  const forks = sampler.numBranches === 1 ? '-' : [sampler.forkPlan, ...sampler.forkSteps].join(' ');
  const { type: _, name: __, mode, ...steps } = schedule;
  const trained = `${mode} ${Object.values(steps).flat().join(' ')}`;
  const cells = [name, forks, sampler.numBranches, sampler.stochasticSteps, trained, rule, surrogate.type];
  return `| ${cells.map((cell) => `\`${cell}\``).join(' | ')} |`.replaceAll('`-`', '-');
}

const presets = readdirSync(FOLDER)
  .map((file) => file.replace('.yaml', ''))
  .sort();
const rows = readFileSync(PAGE, 'utf8')
  .split('\n')
  .filter((line) => /^\| `[a-z0-9-]+` \|/.test(line));

describe(PAGE, () => {
  it.each(presets)('should say what %s is', async (name) => {
    expect(rows).toContain(await rowOf(name));
  });

  it('should name no preset that is not there', () => {
    expect(rows).toHaveLength(presets.length);
  });

  it.each(presets)('should spend the same reward queries in %s', async (name) => {
    const { deriveSizes } = await import('../../src/streams/config/resolved/derived-sizes.js');
    const config = await loadTopology(`${FOLDER}/${name}.yaml`);
    expect(config.name).toBe(name);
    expect(deriveSizes(config).rewardQueries).toBe(5184);
  });
});
