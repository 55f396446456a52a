import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { lastValueFrom, tap } from 'rxjs';
import { peopleServer } from '../../api/serve-people.js';
import { openTelemetry } from '../../api/telemetry/open-telemetry.js';
import { rolesOf } from '../../streams/config/graph/topology-graph.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { loadQuickTopology } from '../../streams/config/quick-topology.js';
import { ADAPTER_FILE, isThere, WEIGHTS_FILE } from '../../streams/directory/adapter-path.js';
import { openRunDirectory, runPathOf } from '../../streams/directory/run-directory.js';
import type { RunEvent } from '../../streams/messages/run-events.js';
import { writeReport } from '../../streams/report/write-report.js';
import { tryModules } from '../../streams/run/modules/try-modules.js';
import { runTopology } from '../../streams/run/run-topology.js';
import { watchInterrupt } from '../input/interrupt.js';
import { collect, logOption, TAKE_OVER } from '../input/options.js';
import { comparisonTable } from '../output/evaluation-table.js';
import type { LogForm } from '../output/log.js';
import { openRunOutput } from '../output/run-output.js';

interface TrainOptions {
  readonly set: readonly string[];
  readonly runDir?: string;
  readonly resume: boolean;
  readonly quick: boolean;
  readonly takeOver: boolean;
  readonly log: LogForm;
  readonly json: boolean;
}

type Finished = Extract<RunEvent, { kind: 'finished' }>;

/** `tributary train`: runs a topology, from its start or its newest checkpoint. */
export function addTrainCommand(program: Command): void {
  addTrainOptions(
    program
      .command('train')
      .description('fine-tune a model as described by a config')
      .argument('<config>', 'YAML file of a topology, or a preset such as tributary:shapes-ddpo'),
  ).action(train);
}

/** The options of commands that train. */
export function addTrainOptions(command: Command): Command {
  return command
    .option('--set <key=value>', 'override a value of the config, such as seed=8; repeatable', collect, [])
    .option('--run-dir <folder>', 'where the run is written (default: runs/<name of the config>)')
    .option('--resume', 'continue from the newest checkpoint of the run directory', false)
    .addOption(
      new Option('--quick', 'only two small rounds, to see whether the config works; says what it changes')
        .default(false)
        .conflicts('resume'),
    )
    .option(...TAKE_OVER)
    .addOption(logOption('text'))
    .option('--json', 'log as JSON lines, and print the result as JSON on standard output', false);
}

export async function train(path: string, options: TrainOptions): Promise<void> {
  const { set, resume, quick, takeOver, log, json } = options;
  const { config, changes } = quick
    ? await loadQuickTopology(path, set, { tryModules })
    : { config: await loadTopology(path, set, { tryModules }), changes: [] };
  const output = openRunOutput(json ? 'json' : log);
  if (quick)
    output.tell(
      'made quick',
      changes.map(({ path, left, right }) => [path, `${right} instead of ${left}`]),
    );
  const runDir = options.runDir ?? (quick ? await unusedPath(runPathOf(config, undefined)) : undefined);
  const warn = (message: string) => output.show({ kind: 'warning', message });
  const telemetry = await openTelemetry(config, rolesOf(config));
  if (telemetry) output.show({ kind: 'listening', what: 'telemetry', url: telemetry.url });
  const runDirectory = await openRunDirectory({ config, path: runDir, resume, takeOver, warn }).catch(
    async (error: unknown) => {
      await telemetry?.close();
      throw error;
    },
  );
  const interrupt = watchInterrupt(() =>
    warn('stopping once the current round is finished and saved; press Ctrl-C again to stop at once'),
  );
  let finished: Finished | undefined;
  const { signal } = interrupt;
  const people = peopleServer();
  const events$ = runTopology({
    runDirectory,
    signal,
    serveDesk: people.serveDesk,
    observe: telemetry?.observe,
  }).pipe(
    tap((event) => {
      output.show(event);
      people.note(event);
      telemetry?.note(event);
      if (event.kind === 'finished') finished = event;
    }),
  );
  let report: string;
  try {
    await lastValueFrom(events$, { defaultValue: undefined });
    report = await writeReport(runDirectory.path, runDirectory.config);
  } finally {
    await telemetry?.close();
    output.close();
    interrupt.release();
    await runDirectory.release();
  }
  const result = {
    runDirectory: runDirectory.path,
    report,
    adapter: join(runDirectory.path, config.model.train === 'full' ? WEIGHTS_FILE : ADAPTER_FILE),
  };
  if (json) console.log(JSON.stringify({ ...finished, kind: finished ? 'finished' : 'stopped', ...result }));
  else if (finished) console.log(summary(finished, result));
  else
    console.log(quick ? `stopped and saved in ${runDirectory.path}` : stopped(path, set, runDirectory.path));
}

/** Returns the path, or with a number behind it if something is there. */
async function unusedPath(path: string): Promise<string> {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? path : `${path}-${number}`;
    if (!(await isThere(candidate))) return candidate;
  }
}

function summary(
  { base, tuned }: Finished,
  { report, adapter }: { report: string; adapter: string },
): string {
  return `\n${comparisonTable(base, tuned)}\n\nreport   ${report}\nadapter  ${adapter}`;
}

function stopped(config: string, set: readonly string[], runPath: string): string {
  const overrides = set.map((text) => ` --set '${text}'`).join('');
  return `stopped and saved; go on with: npx tributary train ${config}${overrides} --run-dir ${runPath} --resume`;
}
