import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { at } from '../../at.js';
import { fetchModel, formatBytes } from '../../models/hub/fetch-model.js';
import { VARIANTS, type Variant } from '../../models/networks/component-weights.js';
import { readPipelineFolder } from '../../models/pipeline/pipeline-folder.js';
import { watchInterrupt } from '../input/interrupt.js';
import { logOption } from '../input/options.js';
import { openFetchOutput } from '../output/fetch-output.js';
import type { LogForm } from '../output/log.js';

interface FetchCommandOptions {
  readonly revision: string;
  readonly out?: string;
  readonly variant?: Variant;
  readonly all: boolean;
  readonly log: LogForm;
}

const HUB = 'https://huggingface.co';
const RETRY_DELAY_MS = 2000;

/** `tributary fetch`: downloads a pipeline folder. It and `push` read HF_TOKEN and HF_ENDPOINT. */
export function addFetchCommand(program: Command): void {
  program
    .command('fetch')
    .description(
      'download the pipeline folder of a model from the Hugging Face hub; run it again to continue',
    )
    .argument('<owner/name>', 'the model, such as stable-diffusion-v1-5/stable-diffusion-v1-5')
    .option('--revision <name>', 'branch, tag or commit', 'main')
    .option('--out <folder>', 'folder to write (default: models/<name>)')
    .addOption(new Option('--variant <precision>', 'preferred if it is published').choices(VARIANTS))
    .option('--all', 'every file, not only those of a pipeline folder', false)
    .addOption(logOption('text'))
    .action(fetchCommand);
}

async function fetchCommand(
  id: string,
  { revision, variant, all, log, ...options }: FetchCommandOptions,
): Promise<void> {
  const out = options.out ?? join('models', at(id.split('/'), -1));
  const output = openFetchOutput(log);
  const interrupt = watchInterrupt(() => output.say('stopping: downloaded files are kept'));
  try {
    const { commit, numFiles, numKept, totalBytes } = await fetchModel({
      id,
      revision,
      out,
      variant: variant ?? null,
      all,
      hubUrl: process.env.HF_ENDPOINT || HUB,
      token: process.env.HF_TOKEN ?? null,
      signal: interrupt.signal,
      retryDelayMs: RETRY_DELAY_MS,
      onProgress: output.show,
      checkConfigs: (files) => readPipelineFolder(out, files),
    });
    const kept = numKept === 0 ? '' : `, ${numKept} of them already here`;
    output.say(`${id} at ${commit}: ${numFiles} files, ${formatBytes(totalBytes)}${kept}`);
    // A model that cannot be loaded is reported here, not when training begins.
    if (!all) await readPipelineFolder(out);
    console.log(out);
  } finally {
    output.close();
    interrupt.release();
  }
}
