import { readFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { requireId } from '../../models/hub/hub-client.js';
import { pushFiles } from '../../models/hub/push-files.js';
import { holdsWeights } from '../../models/policy/policy-file.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { stageOf } from '../../streams/config/resolved/stage-of.js';
import { ADAPTER_FILE, adapterPathOf, isThere } from '../../streams/directory/adapter-path.js';
import { CONFIG_FILE, newestConfigPath } from '../../streams/directory/saved-config.js';
import { modelCard } from '../../streams/report/model-card.js';
import { readRecord } from '../../streams/report/write-report.js';
import { watchInterrupt } from '../input/interrupt.js';
import { warn } from '../output/log.js';

/** Identifiers of licenses, such as openrail++ and cc-by-4.0. */
const LICENSE = /^[a-z0-9][a-z0-9.+-]*$/;

interface PushCommandOptions {
  readonly base?: string;
  readonly license?: string;
  readonly public: boolean;
}

/** `tributary push`: puts the adapter of a run on the hub. Reads HF_TOKEN and HF_ENDPOINT. */
export function addPushCommand(program: Command): void {
  program
    .command('push')
    .description('put the adapter of a run on the Hugging Face hub, with a model card; private by default')
    .argument('<run directory>', 'such as runs/<name>')
    .argument('<owner/name>', 'the repository; made if it is not there')
    .option('--base <owner/name>', 'the base model on the hub, for the card')
    .option('--license <id>', 'license of the adapter, such as creativeml-openrail-m, for the card')
    .option('--public', 'make a new repository that everyone sees', false)
    .action(push);
}

async function push(run: string, id: string, options: PushCommandOptions): Promise<void> {
  const interrupt = watchInterrupt(() => warn('stopping: nothing is committed'));
  try {
    await pushFiles({
      id,
      files: await filesOf(run, id, options),
      isPublic: options.public,
      title: `Adapter of ${basename(resolve(run))}`,
      hubUrl: process.env.HF_ENDPOINT || 'https://huggingface.co',
      token: process.env.HF_TOKEN ?? null,
      signal: interrupt.signal,
    });
    console.log(`${process.env.HF_ENDPOINT || 'https://huggingface.co'}/${id}`);
  } finally {
    interrupt.release();
  }
}

async function filesOf(
  run: string,
  id: string,
  { base = null, license = null }: { readonly base?: string | null; readonly license?: string | null },
): Promise<Record<string, Uint8Array>> {
  if (!(await isThere(join(run, CONFIG_FILE)))) {
    const text = `${run}: expected the folder of a run, got one without ${CONFIG_FILE}. Name the folder that train wrote, such as runs/<name>.`;
    throw new TributaryError('TRIB_USAGE', text);
  }
  if (base !== null) requireId(base, '--base ');
  else warn('the card names no base model: give its name on the hub with --base <owner/name>');
  if (license !== null && !LICENSE.test(license)) {
    const text = `--license "${license}": expected the hub's identifier of a license, got other characters than a-z, 0-9, ".", "+" and "-". Write one such as creativeml-openrail-m or mit.`;
    throw new TributaryError('TRIB_USAGE', text);
  }
  const config = await loadTopology(await newestConfigPath(run), [], { isPlaced: true });
  const adapterPath = await adapterPathOf(run);
  const adapter = await readFile(adapterPath);
  if (holdsWeights(adapter)) throw wholeWeights(adapterPath);
  const { rounds, evaluations, grids } = await readRecord(run);
  const { numRounds } = stageOf(config, 'prompts');
  if (rounds.length < numRounds)
    warn(
      `${run}: expected a run that came to its end, got ${rounds.length} of ${numRounds} rounds; the card says so`,
    );
  const pictures = grids && { before: 'before.png', after: 'after.png', prompts: grids.prompts };
  const card = modelCard({ id, config, evaluations, rounds, base, license, pictures });
  return {
    'README.md': new TextEncoder().encode(card),
    [ADAPTER_FILE]: adapter,
    ...(grids && { 'before.png': grids.before, 'after.png': grids.after }),
  };
}

/** Of a run with model.train: full. */
function wholeWeights(path: string): TributaryError {
  return new TributaryError(
    'TRIB_USAGE',
    `${path}: expected an adapter, got all weights of a UNet. Write a whole pipeline with tributary merge, and upload its folder with the hub's own program, hf upload.`,
  );
}
