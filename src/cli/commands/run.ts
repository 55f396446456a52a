import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { lastValueFrom, type Observable, tap } from 'rxjs';
import { peopleServer } from '../../api/serve-people.js';
import { openTelemetry, type Telemetry } from '../../api/telemetry/open-telemetry.js';
import { TributaryError } from '../../errors.js';
import { rolesOf } from '../../streams/config/graph/topology-graph.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import type { ResolvedConfig } from '../../streams/config/schema/topology-schema.js';
import { suggest } from '../../streams/config/source/fault.js';
import { surplusThreads } from '../../streams/config/surplus-threads.js';
import { holdsRun, openRunDirectory } from '../../streams/directory/run-directory.js';
import type { RunEvent } from '../../streams/messages/run-events.js';
import { writeReport } from '../../streams/report/write-report.js';
import { tryModulesOf } from '../../streams/run/modules/try-modules.js';
import { type RunOptions, runTopology } from '../../streams/run/run-topology.js';
import { runWorkers } from '../../streams/run/run-workers.js';
import { TRAINER_ROLE } from '../../streams/stages/index.js';
import { watchInterrupt } from '../input/interrupt.js';
import { collect, logOption, TAKE_OVER } from '../input/options.js';
import type { LogForm } from '../output/log.js';
import { openRunOutput, type RunOutput } from '../output/run-output.js';

interface RunCommandOptions {
  readonly set: readonly string[];
  readonly roles: readonly string[] | 'all';
  readonly runDir?: string;
  readonly takeOver: boolean;
  readonly log: LogForm;
}

/** `tributary run`: runs parts of a topology, or all of it, in a process that may be restarted at any time. */
export function addRunCommand(program: Command): void {
  program
    .command('run')
    .description('run parts of a topology as a service that continues where it stopped when restarted')
    .argument('<config>', 'YAML file of a topology')
    .option(
      '--roles <list>',
      'parts that this process runs: prompts, sampler, reward, trainer, or roles that the config names, with commas between them',
      namesOf,
      'all',
    )
    .option('--set <key=value>', 'override a value of the config, such as seed=8; repeatable', collect, [])
    .option('--run-dir <folder>', 'where the trainer writes the run (default: runs/<name of the config>)')
    .option(...TAKE_OVER)
    .addOption(logOption('json'))
    .action(run);
}

/** Runs parts of a topology to their end, from where they stopped. */
export async function run(
  path: string,
  { set, roles: named, runDir, takeOver, log }: RunCommandOptions,
): Promise<void> {
  const tryModules = tryModulesOf((config) => rolesIn(config, named));
  const config = await loadTopology(path, set, { tryModules });
  const roles = rolesIn(config, named);
  const output = openRunOutput(log);
  const telemetry = await openTelemetry(config, roles);
  if (telemetry) output.show({ kind: 'listening', what: 'telemetry', url: telemetry.url });
  for (const message of surplusThreads(config, availableParallelism()))
    output.show({ kind: 'warning', message });
  const isTrainer = roles.includes(TRAINER_ROLE);
  const interrupt = watchInterrupt(() =>
    output.show({
      kind: 'warning',
      message: isTrainer
        ? 'stopping once the current round is finished and saved; a second signal stops at once'
        : 'stopping: unfinished work is left to other workers',
    }),
  );
  try {
    const { signal } = interrupt;
    const told = { output, telemetry };
    if (isTrainer) await train({ config, roles, runDir, takeOver, signal }, told);
    else await toEnd((hearing) => runWorkers({ config, roles, signal, ...hearing }), told);
  } finally {
    await telemetry?.close();
    output.close();
    interrupt.release();
  }
}

interface TrainerTask {
  readonly config: ResolvedConfig;
  readonly roles: readonly string[];
  readonly runDir: string | undefined;
  readonly takeOver: boolean;
  readonly signal: AbortSignal;
}

async function train({ config, roles, runDir, takeOver, signal }: TrainerTask, told: Told): Promise<void> {
  const warn = (message: string) => told.output.show({ kind: 'warning', message });
  const resume = await holdsRun(config, runDir);
  const runDirectory = await openRunDirectory({ config, path: runDir, resume, takeOver, warn });
  try {
    await toEnd((hearing) => runTopology({ runDirectory, roles, signal, ...hearing }), told);
    await writeReport(runDirectory.path, runDirectory.config);
  } finally {
    await runDirectory.release();
  }
}

/** Who is told of what happens. */
interface Told {
  readonly output: RunOutput;
  readonly telemetry: Telemetry | null;
}

/** Runs parts to their end, and serves people where the gateway is among them. */
async function toEnd(
  start: (hearing: Pick<RunOptions, 'serveDesk' | 'observe'>) => Observable<RunEvent>,
  { output, telemetry }: Told,
): Promise<void> {
  const people = peopleServer();
  const events$ = start({ serveDesk: people.serveDesk, observe: telemetry?.observe }).pipe(
    tap((event) => {
      output.show(event);
      people.note(event);
      telemetry?.note(event);
    }),
  );
  await lastValueFrom(events$, { defaultValue: undefined });
}

/** Reads `all`, or names with commas between them. */
function namesOf(text: string): readonly string[] | 'all' {
  const names = text.split(',').map((name) => name.trim());
  return names.join() === 'all' ? 'all' : names;
}

/** Errors: TRIB_USAGE for a role that no stage of the config has. */
function rolesIn(
  config: Pick<ResolvedConfig, 'stages'>,
  names: readonly string[] | 'all',
): readonly string[] {
  const known = rolesOf(config);
  if (names === 'all') return known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return known.filter((role) => names.includes(role));
  throw new TributaryError(
    'TRIB_USAGE',
    `--roles: expected all, or some of ${known.join(', ')}, got "${unknown}". ${suggest(unknown, known, 'Name a role of this config.')}`,
  );
}
