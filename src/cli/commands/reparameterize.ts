import { type Command, Option } from 'commander';
import {
  REPARAMETERIZATIONS,
  type Reparameterization,
  reparameterize,
} from '../../models/reparameterize/reparameterize.js';
import { modelPath } from '../input/options.js';

interface ReparameterizeOptions {
  readonly as: Reparameterization;
  readonly out: string;
}

/** `tributary reparameterize`: makes a model that predicts velocities of one that predicts noise. */
export function addReparameterizeCommand(program: Command): void {
  program
    .command('reparameterize')
    .description('convert a model that predicts noise to one that predicts velocities, with the same weights')
    .argument('<pipeline>', 'the model, such as tributary:shapes')
    .addOption(
      new Option('--as <type>', 'what the new model predicts')
        .choices(REPARAMETERIZATIONS)
        .makeOptionMandatory(),
    )
    .requiredOption('--out <folder>', 'folder to write: new or empty')
    .action(write);
}

async function write(pipeline: string, { as, out }: ReparameterizeOptions): Promise<void> {
  await reparameterize(modelPath(pipeline), as, out);
  console.log(out);
}
