import type { Command } from 'commander';
import { TributaryError } from '../../errors.js';
import { describeTopology } from '../../streams/config/describe.js';
import { lintTopology } from '../../streams/config/lint-topology.js';
import { readConfigText } from '../../streams/config/load-topology.js';
import { collect } from '../options.js';

interface LintOptions {
  readonly set: readonly string[];
  readonly json: boolean;
}

/** `tributary lint`: says all faults of a config at once, or what it amounts to. */
export function addLintCommand(program: Command): void {
  program
    .command('lint')
    .description('check a config and say all its faults, each with its place')
    .argument('<config>', 'YAML file of a topology')
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .option('--json', 'faults, or the resolved config, as JSON on standard output', false)
    .action(lint);
}

async function lint(path: string, { set, json }: LintOptions): Promise<void> {
  const { config, faults } = lintTopology(await readConfigText(path), path, { overrides: set });
  if (json) console.log(JSON.stringify(config ? { faults, config } : { faults }));
  if (!config) throw new TributaryError('TRIB_CONFIG', faults.map(({ message }) => message).join('\n'));
  if (json) return;
  const width = Math.max(...describeTopology(config).map(([name]) => name.length));
  for (const [name, value] of describeTopology(config)) console.log(`${name.padEnd(width)}  ${value}`);
  console.error(`${path}: no faults`);
}
