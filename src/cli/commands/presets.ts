import type { Command } from 'commander';
import { packageNames, presetSummary } from '../../own-package.js';

/** `tributary presets`: lists what a config can extend. */
export function addPresetsCommand(program: Command): void {
  program
    .command('presets')
    .description('list the presets of the package, which a config extends or a command takes')
    .action(() => {
      const { presets } = packageNames();
      const width = Math.max(...presets.map((name) => name.length));
      for (const name of presets) console.log(`${name.padEnd(width)}  ${presetSummary(name)}`);
    });
}
