import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { describeTopology } from '../../streams/config/describe.js';
import { lintTopology } from '../../streams/config/lint-topology.js';
import { configPath, lintWithModules, readConfigText } from '../../streams/config/load-topology.js';
import { namedModules } from '../../streams/config/named-modules.js';
import type { ModelFacts } from '../../streams/config/resolved/model-facts.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import { kindOfConfig } from '../../streams/config/source/config-kind.js';
import { writePath } from '../../streams/config/source/fault.js';
import { type Linted, requireConfig } from '../../streams/config/source/lint-sources.js';
import type { NamedFile } from '../../streams/config/source/named-files.js';
import { surplusThreads } from '../../streams/config/surplus-threads.js';
import { runPathOf } from '../../streams/directory/run-directory.js';
import { resumedConfig } from '../../streams/directory/saved-config.js';
import { promptRows, readPromptLists } from '../../streams/prompt-files/read-prompts.js';
import { findFileFaults } from '../../streams/run/file-faults.js';
import { tryModules } from '../../streams/run/modules/try-modules.js';
import { readModelFacts } from '../../streams/run/read-model-facts.js';
import { describeStudy } from '../../streams/study/config/describe-study.js';
import { lintStudyFile } from '../../streams/study/config/lint-study.js';
import { lintPretraining } from '../input/load-pretraining.js';
import { collect } from '../input/options.js';
import { warn } from '../output/log.js';

interface LintOptions {
  readonly set: readonly string[];
  readonly resume: boolean;
  readonly runDir?: string;
  readonly files: boolean;
  readonly json: boolean;
}

/** `tributary lint`: reports all faults of a config at once, or the quantities that follow from it. */
export function addLintCommand(program: Command): void {
  program
    .command('lint')
    .description('check a config and report every fault with its location')
    .argument('<config>', 'YAML file of a topology, of a study or of a pretraining')
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .option(
      '--resume',
      'check it as the config of a resume: what the run has planned keeps its length',
      false,
    )
    .option('--run-dir <folder>', 'the run that is resumed (default: runs/<name of the config>)')
    .option('--no-files', 'open no file that the config names, as an editor that checks while one writes')
    .option('--json', 'faults, or the resolved config, as JSON on standard output', false)
    .action(lint);
}

async function lint(path: string, options: LintOptions): Promise<void> {
  const { set, resume, runDir, files, json } = options;
  const file = configPath(path);
  const text = await readConfigText(file, null);
  switch (kindOfConfig(text)) {
    // As `tributary study` does before it runs; without files, its presets are read and no module is.
    case 'study':
      requireNoneOfRun(options, `the study ${path}`, 'a study says under `set` what it changes.');
      return reportLinted(path, await lintStudyFile(text, file, { modules: files }), json, describeStudy);
    case 'pretraining':
      requireNoneOfRun(options, `the settings of a pretraining ${path}`, 'change the file.');
      return reportLinted(path, lintPretraining(text, file), json, () => []);
  }
  const { model, ...linted } = files
    ? await lintWithFiles(text, file, set)
    : { ...lintTopology(text, file, { overrides: set }), model: undefined };
  const isResumed = resume || runDir !== undefined;
  const resumed =
    linted.config && isResumed && (await resumedConfig(runPathOf(linted.config, runDir), linted.config));
  if (json)
    console.log(JSON.stringify({ faults: linted.faults, config: resumed ? resumed.config : linted.config }));
  const config = resumed ? resumed.config : requireConfig(linted);
  for (const message of surplusThreads(config, availableParallelism())) warn(message);
  if (json) return;
  const prompts = files ? promptRows(await readPromptLists(config, () => undefined), config) : [];
  // What follows from a config may depend on its modules, which are files.
  const isKnown = files || namedModules(config).length === 0;
  report(path, isKnown ? [...describeTopology(config, model), ...prompts] : []);
}

/** Errors: TRIB_USAGE where an option is given that only topologies have. */
function requireNoneOfRun({ set, resume, runDir }: LintOptions, got: string, instead: string): void {
  if (set.length > 0 || resume || runDir !== undefined)
    throw new TributaryError(
      'TRIB_USAGE',
      `--set, --resume, --run-dir: expected a topology, got ${got}. Leave them out; ${instead}`,
    );
}

/** Prints what is known of a config that is no topology. Errors: TRIB_CONFIG with all its faults. */
function reportLinted<Config>(
  path: string,
  linted: Linted<Config>,
  json: boolean,
  rowsOf: (config: Config) => readonly (readonly [name: string, value: string])[],
): void {
  if (json) console.log(JSON.stringify({ faults: linted.faults, config: linted.config }));
  // Without its modules a study has neither faults nor a config.
  if (linted.faults.length > 0) requireConfig(linted);
  if (!json) report(path, linted.config ? rowsOf(linted.config) : []);
}

function report(path: string, rows: readonly (readonly [name: string, value: string])[]): void {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
  console.error(`${path}: no faults`);
}

/** Checks the config with the files that it names and, if it is valid, against the steps of its model's scheduler. */
async function lintWithFiles(
  text: string,
  path: string,
  overrides: readonly string[],
): Promise<Linted<ResolvedConfig> & { readonly model?: ModelFacts | undefined }> {
  const files: NamedFile[] = [];
  const fileFaults = (file: NamedFile) => {
    files.push(file);
    return [];
  };
  let tried: ReturnType<typeof tryModules> | undefined;
  const tryOnce = (modules: Parameters<typeof tryModules>[0]) => {
    tried ??= tryModules(modules);
    return tried;
  };
  const { faults, config } = await lintWithModules(text, path, { overrides, fileFaults });
  const found = await findFileFaults(files, config);
  const options = {
    overrides,
    fileFaults: (file: NamedFile) => found.get(writePath(file.path)) ?? [],
    tryModules: tryOnce,
  };
  const linted: Linted<ResolvedConfig> =
    files.length > 0 ? await lintWithModules(text, path, options) : { faults };
  if (!linted.config) return linted;
  const model = await readModelFacts(linted.config, warn);
  return model === undefined
    ? linted
    : { ...(await lintWithModules(text, path, { ...options, model })), model };
}
