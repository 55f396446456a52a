import type { Command } from 'commander';
import { writeFileAtomic } from '../../models/files/atomic.js';
import { loadTopology } from '../../streams/config/load-topology.js';
import { trainOnPairs } from '../../streams/run/train-on-pairs.js';
import { collect } from '../input/options.js';
import { printWarnings, warn } from '../output/log.js';

interface TrainPairsOptions {
  readonly out: string;
  readonly set: readonly string[];
}

/** `tributary train-pairs`: trains again on what people preferred. */
export function addTrainPairsCommand(program: Command): void {
  program
    .command('train-pairs')
    .description('train on the preference pairs that a gateway has kept, without drawing or asking anew')
    .argument('<config>', 'YAML file of the topology that drew them, with a surrogate of pairs')
    .argument('<folder>', 'of the gateway, such as runs/studio/gateway')
    .requiredOption('--out <file>', 'adapter to write, in safetensors')
    .option('--set <key=value>', 'override a value of the config; repeatable', collect, [])
    .action(trainPairs);
}

async function trainPairs(path: string, folder: string, { out, set }: TrainPairsOptions): Promise<void> {
  const config = await loadTopology(path, set);
  const adapter = await trainOnPairs({
    config,
    folder,
    warn,
    say: printWarnings,
    onRound: (round, numRounds, { policyLoss }) =>
      console.error(`round ${round + 1}/${numRounds} · loss ${policyLoss.toPrecision(4)}`),
  });
  await writeFileAtomic(out, adapter);
  console.log(out);
}
