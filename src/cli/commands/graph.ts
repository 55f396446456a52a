import type { Command } from 'commander';
import { loadTopology } from '../../streams/config/load-topology.js';
import { topologyToMermaid } from '../../streams/config/mermaid.js';
import { collect } from '../input/options.js';

/** `tributary graph`: draws a topology. */
export function addGraphCommand(program: Command): void {
  program
    .command('graph')
    .description('print a topology as a Mermaid flowchart')
    .argument('<config>', 'YAML file of a topology')
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .action(async (path: string, { set }: { readonly set: readonly string[] }) => {
      process.stdout.write(topologyToMermaid(await loadTopology(path, set)));
    });
}
