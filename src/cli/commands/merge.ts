import { join } from 'node:path';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { writeMergedPipeline } from '../../models/pipeline/merged-pipeline.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { isThere } from '../../streams/directory/adapter-path.js';
import { type AdapterPlace, readChanges } from '../../streams/directory/read-adapter.js';
import { collectAdapters, IGNORE_TEXT_ENCODER, modelPath } from '../input/options.js';
import { warn } from '../output/log.js';

interface MergeOptions {
  readonly pipeline?: string;
  readonly out: string;
  readonly ignoreTextEncoder: boolean;
}

/** `tributary merge`: writes a pipeline that needs no adapter. */
export function addMergeCommand(program: Command): void {
  program
    .command('merge')
    .description('write a pipeline folder with adapters merged into its weights')
    .argument(
      '<run directory or adapter...>',
      'folders such as runs/<name>, or files in safetensors of any program, each with :<strength> behind it if that is not 1',
      collectAdapters,
    )
    .requiredOption('--out <folder>', 'folder to write: new or empty')
    .option('--pipeline <folder>', 'the base model (default: that of the run)')
    .option(...IGNORE_TEXT_ENCODER)
    .action(merge);
}

async function merge(
  places: readonly AdapterPlace[],
  { pipeline, out, ignoreTextEncoder }: MergeOptions,
): Promise<void> {
  const changes = await readChanges({ places, ignoresTextEncoder: ignoreTextEncoder }, warn);
  const base = pipeline === undefined ? await pipelineOf(places) : modelPath(pipeline);
  await writeMergedPipeline(base, changes, out);
  console.log(out);
}

/** That of the first run among the places. */
async function pipelineOf(places: readonly AdapterPlace[]): Promise<string> {
  for (const { path } of places) {
    const config = join(path, 'config.yaml');
    if (await isThere(config)) return (await loadTopology(config, [], { isPlaced: true })).model.pipeline;
  }
  throw new TributaryError(
    'TRIB_USAGE',
    '--pipeline: expected the folder of the base model, got none beside an adapter. Name it, or name a run directory.',
  );
}
