import { type Command, Option } from 'commander';
import { PREDICTIONS, type PredictionChoice } from '../../models/checkpoint/prediction.js';
import { writeConvertedPipeline } from '../../models/pipeline/converted-pipeline.js';
import { warn } from '../output/log.js';

interface ConvertOptions {
  readonly vae?: string;
  readonly prediction?: PredictionChoice;
  readonly ema: boolean;
}

/** `tributary convert`: writes a one-file checkpoint as a folder of diffusers. */
export function addConvertCommand(program: Command): void {
  program
    .command('convert')
    .description(
      'write a checkpoint in one file, of SD 1.x, SD 2.x or SDXL, as a pipeline folder of diffusers',
    )
    .argument('<file>', 'the checkpoint, a .safetensors file')
    .argument('<folder>', 'folder to write: new or empty')
    .option('--vae <file>', 'take the VAE from this .safetensors file')
    .addOption(
      new Option('--prediction <kind>', 'what the UNet predicts (default: found out)').choices(PREDICTIONS),
    )
    .option('--ema', 'take the averaged weights where the file has both', false)
    .action(convert);
}

async function convert(file: string, folder: string, options: ConvertOptions): Promise<void> {
  for (const note of await writeConvertedPipeline(file, folder, options)) warn(note);
  console.log(folder);
}
