import { join } from 'node:path';
import type { Command } from 'commander';
import type { EmbeddingPlace } from '../../models/pipeline/embeddings/embedding-file.js';
import { promptCheck } from '../../models/pipeline/embeddings/fitting-embeddings.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { embeddingsOf } from '../../streams/config/resolved/embeddings-of.js';
import { trainedStages } from '../../streams/config/resolved/reward-parts.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import { adapterPathOf, isFolder } from '../../streams/directory/adapter-path.js';
import type { AdapterChoice, AdapterPlace } from '../../streams/directory/read-adapter.js';
import type { Evaluation } from '../../streams/messages/run-events.js';
import { readPromptLists } from '../../streams/prompt-files/read-prompts.js';
import { evaluatePolicy } from '../../streams/run/evaluate-policy.js';
import { openGold } from '../../streams/run/gold-rewards.js';
import { OpenParts } from '../../streams/run/opening/open-parts.js';
import { openRewards } from '../../streams/run/opening/open-rewards.js';
import { scorerOf } from '../../streams/stages/reward/scorers.js';
import { startSampler } from '../../streams/stages/sampler/client.js';
import { collect, collectAdapters, EMBEDDING, IGNORE_TEXT_ENCODER } from '../input/options.js';
import { evaluationTable } from '../output/evaluation-table.js';
import { printWarnings, warn } from '../output/log.js';

interface EvaluateOptions {
  readonly lora: readonly AdapterPlace[];
  readonly ignoreTextEncoder: boolean;
  readonly embedding: readonly EmbeddingPlace[];
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
      '--lora <file[:strength]>',
      'adapter file or folder to measure; repeatable (default: that of the run directory; for a config, none)',
      collectAdapters,
      [],
    )
    .option(...IGNORE_TEXT_ENCODER)
    .option(...EMBEDDING)
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .option('--json', 'the figures as JSON on standard output', false)
    .action(evaluate);
}

async function evaluate(path: string, options: EvaluateOptions): Promise<void> {
  const { lora, ignoreTextEncoder, set, json } = options;
  const isRun = await isFolder(path);
  const config = isRun
    ? await loadTopology(join(path, 'config.yaml'), set, { isPlaced: true })
    : await loadTopology(path, set);
  const named = lora.length > 0 || !isRun ? lora : [{ path, strength: 1 }];
  const places: AdapterPlace[] = [];
  for (const place of named) places.push({ ...place, path: await adapterPathOf(place.path) });
  const choice = { places, ignoresTextEncoder: ignoreTextEncoder };
  const { policyVersion: _, round: __, ...figures } = await measure(config, choice, options.embedding);
  const texts = places.map((place) =>
    place.strength === 1 ? place.path : `${place.path}:${place.strength}`,
  );
  const adapter = texts.length > 0 ? texts.join(' + ') : null;
  if (json) console.log(JSON.stringify({ adapter, ...figures }));
  else console.log(`${adapter ?? 'base model'}\n\n${evaluationTable(figures)}`);
}

async function measure(
  config: ResolvedConfig,
  adapters: AdapterChoice,
  embeddings: readonly EmbeddingPlace[],
): Promise<Evaluation> {
  const all = [...embeddingsOf(config), ...embeddings];
  const prompts = await readPromptLists(config, await promptCheck(config.model.pipeline, all));
  const sampler = await startSampler(config, printWarnings, adapters, embeddings);
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
        policy: { version: adapters.places.length > 0 ? 1 : 0, parameters },
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
