import { join } from 'node:path';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { decodeLoraFile } from '../../models/adapters/lora-file.js';
import { writeMergedPipeline } from '../../models/diffusion/merged-pipeline.js';
import { loraChange, type WeightChange } from '../../models/graph/weight-change.js';
import { requireUnet } from '../../models/policy/adapter-parameters.js';
import { holdsWeights, weightChanges } from '../../models/policy/policy-file.js';
import { adapterPathOf, isFolder } from '../../streams/adapter-path.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { readAdapterBytes } from '../../streams/read-adapter.js';

interface MergeOptions {
  readonly pipeline?: string;
  readonly out: string;
}

/** `tributary merge`: writes a pipeline that needs no adapter. */
export function addMergeCommand(program: Command): void {
  program
    .command('merge')
    .description('write a pipeline folder whose UNet has an adapter in its weights')
    .argument(
      '<run directory or adapter>',
      'folder such as runs/<name>, or a file in safetensors of either style',
    )
    .requiredOption('--out <folder>', 'folder to write: new or empty')
    .option('--pipeline <folder>', 'the base model (default: that of the run)')
    .action(merge);
}

async function merge(path: string, { pipeline, out }: MergeOptions): Promise<void> {
  const adapterPath = await adapterPathOf(path);
  const changes = changesOf(await readAdapterBytes(adapterPath), adapterPath);
  await writeMergedPipeline(pipeline ?? (await pipelineOf(path)), changes, out);
  console.log(out);
}

function changesOf(bytes: Uint8Array, path: string): readonly WeightChange[] {
  if (holdsWeights(bytes)) return weightChanges(bytes, path);
  const layers = decodeLoraFile(bytes, path);
  requireUnet(layers, path);
  return layers.map(loraChange);
}

async function pipelineOf(path: string): Promise<string> {
  if (await isFolder(path)) return (await loadTopology(join(path, 'config.yaml'), [])).model.pipeline;
  throw new TributaryError(
    'TRIB_USAGE',
    '--pipeline: expected the folder of the base model, got none beside an adapter file. Name it, or name a run directory.',
  );
}
