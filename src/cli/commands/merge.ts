import { join } from 'node:path';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { decodeLoraFile } from '../../models/adapters/lora-file.js';
import { loraChange, type WeightChange } from '../../models/graph/weights/weight-change.js';
import { writeMergedPipeline } from '../../models/pipeline/merged-pipeline.js';
import { requireDenoiserLayers } from '../../models/policy/adapter-parameters.js';
import { holdsWeights, weightChanges } from '../../models/policy/policy-file.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { isThere } from '../../streams/directory/adapter-path.js';
import { type AdapterFile, readAdapterFile } from '../../streams/directory/read-adapter.js';
import { modelPath } from '../input/options.js';
import { warn } from '../output/log.js';

interface MergeOptions {
  readonly pipeline?: string;
  readonly out: string;
}

/** `tributary merge`: writes a pipeline that needs no adapter. */
export function addMergeCommand(program: Command): void {
  program
    .command('merge')
    .description('write a pipeline folder with an adapter merged into the weights of its UNet')
    .argument(
      '<run directory or adapter>',
      'folder such as runs/<name>, or a file in safetensors of either style',
    )
    .requiredOption('--out <folder>', 'folder to write: new or empty')
    .option('--pipeline <folder>', 'the base model (default: that of the run)')
    .action(merge);
}

async function merge(path: string, { pipeline, out }: MergeOptions): Promise<void> {
  const changes = changesOf(await readAdapterFile(path, warn));
  await writeMergedPipeline(
    pipeline === undefined ? await pipelineOf(path) : modelPath(pipeline),
    changes,
    out,
  );
  console.log(out);
}

function changesOf({ path, bytes, beside }: AdapterFile): readonly WeightChange[] {
  if (holdsWeights(bytes)) return weightChanges(bytes, path);
  const layers = decodeLoraFile(bytes, path, beside);
  requireDenoiserLayers(layers, path);
  return layers.map(loraChange);
}

async function pipelineOf(path: string): Promise<string> {
  const config = join(path, 'config.yaml');
  if (await isThere(config)) return (await loadTopology(config, [], { isPlaced: true })).model.pipeline;
  throw new TributaryError(
    'TRIB_USAGE',
    '--pipeline: expected the folder of the base model, got none beside an adapter. Name it, or name a run directory.',
  );
}
