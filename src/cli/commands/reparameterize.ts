import { type Command, Option } from 'commander';
import {
  REPARAMETERIZATIONS,
  type Reparameterization,
  reparameterize,
} from '../../models/reparameterize/reparameterize.js';

interface ReparameterizeOptions {
  readonly as: Reparameterization;
  readonly out: string;
}

/** `tributary reparameterize`: makes a model that predicts velocities of one that predicts noise. */
export function addReparameterizeCommand(program: Command): void {
  program
    .command('reparameterize')
    .description(
      'write a model that predicts velocities, from one that predicts noise; the weights are the same',
    )
    .argument('<pipeline>', 'the model, such as models/shapes')
    .addOption(
      new Option('--as <type>', 'what the new model predicts')
        .choices(REPARAMETERIZATIONS)
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'folder to write: new or empty')
    .action(write);
}

async function write(pipeline: string, { as, out }: ReparameterizeOptions): Promise<void> {
  await reparameterize(pipeline, as, out);
  console.log(out);
}
