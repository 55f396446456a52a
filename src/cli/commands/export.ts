import { basename, dirname, join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { TributaryError } from '../../errors.js';
import { isOfDenoiser } from '../../models/adapters/component-names.js';
import { alphasThatDiffusersLoses, layersThatDiffusersLoses } from '../../models/adapters/kohya.js';
import {
  decodeLoraFile,
  encodeLoraFile,
  LORA_DTYPES,
  LORA_FORMATS,
  type LoraDtype,
  type LoraFormat,
} from '../../models/adapters/lora-file.js';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { holdsWeights } from '../../models/policy/policy-file.js';
import { isFolder } from '../../streams/directory/adapter-path.js';
import { readAdapterFile } from '../../streams/directory/read-adapter.js';
import { IGNORE_TEXT_ENCODER } from '../input/options.js';
import { warn } from '../output/log.js';

interface ExportOptions {
  readonly format: LoraFormat;
  readonly dtype: LoraDtype;
  readonly out?: string;
  readonly ignoreTextEncoder: boolean;
}

/** `tributary export`: writes an adapter as other programs load it. */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description(
      'write an adapter in kohya format (ComfyUI, AUTOMATIC1111, diffusers) or PEFT format (diffusers)',
    )
    .argument(
      '<run directory or adapter>',
      'folder such as runs/<name>, or a file in safetensors of either style',
    )
    .addOption(new Option('--format <style>', 'names and metadata').choices(LORA_FORMATS).default('kohya'))
    .addOption(
      new Option('--dtype <type>', 'fp16 for sharing, fp32 for further training')
        .choices(LORA_DTYPES)
        .default('fp16'),
    )
    .option(
      '--out <file>',
      'file to write (default: next to the adapter, named after it with format and type)',
    )
    .option(...IGNORE_TEXT_ENCODER)
    .action(exportAdapter);
}

async function exportAdapter(
  path: string,
  { format, dtype, out, ignoreTextEncoder }: ExportOptions,
): Promise<void> {
  const { path: adapterPath, bytes, beside } = await readAdapterFile(path, warn);
  if (holdsWeights(bytes)) throw wholeWeights(adapterPath);
  const stored = decodeLoraFile(bytes, adapterPath, beside);
  const layers = ignoreTextEncoder ? stored.filter(({ key }) => isOfDenoiser(key)) : stored;
  const isRun = await isFolder(path);
  const title = basename(isRun ? resolve(path) : path, isRun ? '' : '.safetensors');
  const target = out ?? join(dirname(adapterPath), `${title}-${format}-${dtype}.safetensors`);
  await writeFileAtomic(target, encodeLoraFile(layers, { format, dtype, title }));
  const losses = format === 'kohya' ? [alphasThatDiffusersLoses, layersThatDiffusersLoses] : [];
  for (const lossOf of losses) {
    const lost = lossOf(layers);
    if (lost !== null) warn(`${target}: ${lost}`);
  }
  console.log(target);
}

/** Of a run with model.train: full. */
function wholeWeights(path: string): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `${path}: expected an adapter, got all weights of a UNet, for which there is no style of adapters. Write a whole pipeline with tributary merge.`,
  );
}
