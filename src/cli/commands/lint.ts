import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { describeTopology } from '../../streams/config/describe.js';
import { lintTopology } from '../../streams/config/lint-topology.js';
import { configPath, readConfigText } from '../../streams/config/load-topology.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import { type Linted, requireConfig } from '../../streams/config/source/lint-sources.js';
import { surplusThreads } from '../../streams/config/surplus-threads.js';
import { runPathOf } from '../../streams/directory/run-directory.js';
import { resumedConfig } from '../../streams/directory/saved-config.js';
import { promptRows, readPromptLists } from '../../streams/prompt-files/read-prompts.js';
import { readNoisySteps } from '../../streams/run/noisy-steps.js';
import { collect } from '../input/options.js';
import { warn } from '../output/log.js';

interface LintOptions {
  readonly set: readonly string[];
  readonly resume: boolean;
  readonly runDir?: string;
  readonly json: boolean;
}

/** `tributary lint`: reports all faults of a config at once, or the quantities that follow from it. */
export function addLintCommand(program: Command): void {
  program
    .command('lint')
    .description('check a config and report every fault with its location')
    .argument('<config>', 'YAML file of a topology')
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .option(
      '--resume',
      'check it as the config of a resume: what the run has planned keeps its length',
      false,
    )
    .option('--run-dir <folder>', 'the run that is resumed (default: runs/<name of the config>)')
    .option('--json', 'faults, or the resolved config, as JSON on standard output', false)
    .action(lint);
}

/** What the prompt files hold. They may be on another machine, so a missing one is no fault of the config. */
async function describePrompts(config: ResolvedConfig): Promise<ReturnType<typeof promptRows>> {
  try {
    return promptRows(await readPromptLists(config, () => undefined), config);
  } catch (error) {
    if (!(error instanceof TributaryError) || error.code !== 'TRIB_FILE') throw error;
    return [['prompts', error.message]];
  }
}

async function lint(path: string, { set, resume, runDir, json }: LintOptions): Promise<void> {
  const file = configPath(path);
  const { noisySteps, ...linted } = await lintWithModel(await readConfigText(file), file, set);
  const isResumed = resume || runDir !== undefined;
  const resumed =
    linted.config && isResumed && (await resumedConfig(runPathOf(linted.config, runDir), linted.config));
  if (json)
    console.log(JSON.stringify({ faults: linted.faults, config: resumed ? resumed.config : linted.config }));
  const config = resumed ? resumed.config : requireConfig(linted);
  for (const message of surplusThreads(config, availableParallelism())) warn(message);
  if (json) return;
  const rows = [...describeTopology(config, noisySteps), ...(await describePrompts(config))];
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
  console.error(`${path}: no faults`);
}

/** Checks the config by itself and, if it is valid, against the steps of its model's scheduler. */
async function lintWithModel(
  text: string,
  path: string,
  overrides: readonly string[],
): Promise<Linted<ResolvedConfig> & { readonly noisySteps?: number }> {
  const alone = lintTopology(text, path, { overrides });
  if (!alone.config) return alone;
  const noisySteps = await readNoisySteps(alone.config, warn);
  if (noisySteps === undefined) return alone;
  return { ...lintTopology(text, path, { overrides, noisySteps }), noisySteps };
}
