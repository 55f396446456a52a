import type { Command } from 'commander';
import { addTrainOptions, train } from './train.js';

/** `tributary demo`: trains the preset of that name. */
export function addDemoCommand(program: Command): void {
  addTrainOptions(
    program.command('demo').description('fine-tune the small model of the package, in runs/demo, in minutes'),
  ).action((options) => train('tributary:demo', options));
}
