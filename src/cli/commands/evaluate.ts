import { join } from 'node:path';
import type { Command } from 'commander';
import { loadTopology } from '../../streams/config/load-topology.js';
import { trainedStages } from '../../streams/config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import { adapterPathOf, isFolder } from '../../streams/directory/adapter-path.js';
import type { Evaluation } from '../../streams/messages/run-events.js';
import { readPromptLists } from '../../streams/prompt-files/read-prompts.js';
import { evaluatePolicy } from '../../streams/run/evaluate-policy.js';
import { openGold } from '../../streams/run/gold-rewards.js';
import { OpenParts } from '../../streams/run/opening/open-parts.js';
import { openRewards } from '../../streams/run/opening/open-rewards.js';
import { scorerOf } from '../../streams/stages/reward/scorers.js';
import { startSampler } from '../../streams/stages/sampler/client.js';
import { collect } from '../input/options.js';
import { evaluationTable } from '../output/evaluation-table.js';
import { printWarnings, warn } from '../output/log.js';

interface EvaluateOptions {
  readonly lora?: string;
  readonly set: readonly string[];
  readonly json: boolean;
}

/** `tributary evaluate`: measures a model, with an adapter or without. */
export function addEvaluateCommand(program: Command): void {
  program
    .command('evaluate')
    .description(
      'measure a model, or the adapter of a run, on the training and held-out prompts of its config',
    )
    .argument('<config or run directory>', 'YAML file of a topology, or a folder such as runs/<name>')
    .option(
      '--lora <file>',
      'adapter file or folder to measure (default: that of the run directory; for a config, none)',
    )
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .option('--json', 'the figures as JSON on standard output', false)
    .action(evaluate);
}

async function evaluate(path: string, { lora, set, json }: EvaluateOptions): Promise<void> {
  const isRun = await isFolder(path);
  const config = isRun
    ? await loadTopology(join(path, 'config.yaml'), set, { isPlaced: true })
    : await loadTopology(path, set);
  const place = lora ?? (isRun ? path : null);
  const adapterPath = place === null ? null : await adapterPathOf(place);
  const { policyVersion: _, round: __, ...figures } = await measure(config, adapterPath);
  if (json) console.log(JSON.stringify({ adapter: adapterPath, ...figures }));
  else console.log(`${adapterPath ?? 'base model'}\n\n${evaluationTable(figures)}`);
}

async function measure(config: ResolvedConfig, adapterPath: string | null): Promise<Evaluation> {
  const prompts = await readPromptLists(config);
  const sampler = await startSampler(config, printWarnings, adapterPath);
  try {
    const parts = new OpenParts(printWarnings);
    const scoring = openRewards(config, trainedStages(config), sampler.imageShape, parts);
    const measuring = openGold(config, sampler.imageShape, parts);
    await parts.ready();
    try {
      const parameters = sampler.fileParameters ?? sampler.baseParameters;
      return await evaluatePolicy({
        config,
        sampler,
        score: scorerOf(config, await scoring()),
        gold: await measuring(),
        policy: { version: sampler.fileParameters ? 1 : 0, parameters },
        prompts,
        warn,
        now: () => performance.now(),
      });
    } finally {
      await parts.close();
    }
  } finally {
    await sampler.close();
  }
}
