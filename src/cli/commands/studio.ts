import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { findStage } from '../../streams/config/resolved/stage-of.js';
import { collect, logOption, TAKE_OVER, whole } from '../input/options.js';
import type { LogForm } from '../output/log.js';
import { run } from './run.js';

interface StudioOptions {
  readonly host?: string;
  readonly port?: number;
  readonly set: readonly string[];
  readonly runDir?: string;
  readonly takeOver: boolean;
  readonly log: LogForm;
}

/** `tributary studio`: a run that learns from people, and the page where they draw, choose and watch. */
export function addStudioCommand(program: Command): void {
  program
    .command('studio')
    .description('serve a page on which people draw and choose, and watch the model learn from it')
    .argument('[config]', 'YAML file of a topology with a stage `gateway`, or a preset', 'tributary:studio')
    .option('--host <address>', 'address to listen on, as stages.gateway.http.host of the config')
    .option(
      '--port <number>',
      'port to listen on, as stages.gateway.http.port; 0 picks a free one',
      whole(0, 65_535),
    )
    .option('--set <key=value>', 'override a value of the config, such as seed=8; repeatable', collect, [])
    .option(
      '--run-dir <folder>',
      'where the run is written, and goes on from (default: runs/<name of the config>)',
    )
    .option(...TAKE_OVER)
    .addOption(logOption('text'))
    .action(studio);
}

async function studio(path: string, { host, port, set, ...options }: StudioOptions): Promise<void> {
  if (!findStage(await loadTopology(path, set), 'gateway'))
    throw new TributaryError(
      'TRIB_USAGE',
      `${path}: expected a stage of type gateway, got none. Add one as config/studio.yaml has it, or train this config with \`tributary train\`.`,
    );
  const http = Object.entries({ host, port }).flatMap(([key, value]) =>
    value === undefined ? [] : [`stages.gateway.http.${key}=${value}`],
  );
  await run(path, { ...options, set: [...http, ...set], roles: 'all' });
}
