import type { Command } from 'commander';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { renderComparison } from '../../streams/compare/compare-page.js';
import { readRuns } from '../../streams/compare/read-runs.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { adapterPathOf } from '../../streams/directory/adapter-path.js';
import { newestConfigPath } from '../../streams/directory/saved-config.js';
import { readPromptLists } from '../../streams/prompt-files/read-prompts.js';
import type { PictureColumn } from '../../streams/report/sample-rows.js';
import { drawPrompts, gridPrompts, textsOf } from '../../streams/run/sample-grid.js';
import { startSampler } from '../../streams/stages/sampler/client.js';
import { collect } from '../input/options.js';
import { printWarnings } from '../output/log.js';

interface CompareOptions {
  readonly out: string;
  readonly draw: boolean;
  readonly prompt: readonly string[];
}

/** `tributary compare`: runs beside each other on one page. */
export function addCompareCommand(program: Command): void {
  program
    .command('compare')
    .description('write a page of two runs or more: figures, curves, pictures, differences of their configs')
    .argument('<run...>', 'run directories, such as runs/a runs/b')
    .option('--out <file>', 'the page to write, which needs nothing else', 'compare.html')
    .option('--draw', 'draw the pictures anew from the adapters, all from the noise of the first run', false)
    .option(
      '--prompt <text>',
      'with --draw: a prompt to draw instead of those of the first run; repeatable',
      collect,
      [],
    )
    .action(compare);
}

async function compare(paths: readonly string[], { out, draw, prompt }: CompareOptions): Promise<void> {
  const runs = await readRuns(paths);
  const drawn = draw || prompt.length > 0 ? await drawAll(runs, prompt) : null;
  await writeFileAtomic(out, renderComparison(runs, drawn));
  console.log(out);
}

/** Draws the same prompts with the policy of each run, and before them with the model that the first one started from. */
async function drawAll(
  runs: readonly { readonly label: string; readonly path: string }[],
  asked: readonly string[],
): Promise<PictureColumn[]> {
  const configs = await Promise.all(runs.map(async ({ path }) => loadTopology(await newestConfigPath(path))));
  const adapters = await Promise.all(runs.map(({ path }) => adapterPathOf(path)));
  const [first] = configs;
  if (!first) return [];
  const rows =
    asked.length > 0 ? asked.map((prompt) => ({ prompt })) : gridPrompts(await readPromptLists(first));
  const prompts = textsOf(rows);
  const policies = [
    { label: 'base', config: first, adapter: first.model.startFrom ?? null },
    ...runs.map(({ label }, index) => ({
      label,
      config: configs[index] ?? first,
      adapter: adapters[index] ?? null,
    })),
  ];
  const columns: PictureColumn[] = [];
  // One model in memory at a time.
  for (const { label, config, adapter } of policies) {
    const { seed, eta } = first.evaluation;
    const evaluation = { ...config.evaluation, seed, eta };
    const places = adapter === null ? [] : [{ path: adapter, strength: 1 }];
    const choice = { places, ignoresTextEncoder: false };
    const sampler = await startSampler({ ...config, evaluation }, printWarnings, choice);
    try {
      const parameters = sampler.fileParameters ?? sampler.baseParameters;
      columns.push({ label, prompts, png: await drawPrompts(sampler, { version: 0, parameters }, rows) });
    } finally {
      await sampler.close();
    }
  }
  return columns;
}
