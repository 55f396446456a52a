import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { loadTopology } from '../../streams/config/load-topology.js';
import { type DeadLetterEntry, type DeadLetters, openDeadLetters } from '../../streams/run/dead-letters.js';
import { collect, whole } from '../input/options.js';
import { warn } from '../output/log.js';

interface CommonOptions {
  readonly set: readonly string[];
}

const MOST_LISTED = 1000;

/** `tributary dead-letters`: shows messages that a run gave up on, and sends them again. */
export function addDeadLettersCommand(program: Command): void {
  const command = program
    .command('dead-letters')
    .description('show and replay the messages that a run over Kafka gave up on');
  const sub = (usage: string, description: string) =>
    command
      .command(usage)
      .description(description)
      .argument('<config>', 'YAML file of a topology')
      .option('--set <key=value>', 'override a value of the config; repeatable', collect, []);
  sub('list', 'list the newest dead letters, oldest first')
    .option('--most <count>', 'number of dead letters', whole(1, 1_000_000), MOST_LISTED)
    .option('--json', 'one JSON object per line', false)
    .action(list);
  sub('show', 'print everything about a dead letter')
    .argument('<position>', 'as `list` prints it, such as 0:17')
    .option('--out <file>', 'write its payload to a file')
    .action(show);
  sub('replay', 'send dead letters to their topics again')
    .argument('[positions...]', 'as `list` prints them')
    .option('--reason <text>', 'also replay all whose reason contains this text')
    .action(replay);
}

async function list(
  config: string,
  { set, most, json }: CommonOptions & { readonly most: number; readonly json: boolean },
): Promise<void> {
  const letters = await using(config, set, (open) => open.newest(most));
  if (letters.length === 0 && !json) console.log('no dead letters');
  for (const letter of letters) console.log(json ? JSON.stringify(summaryOf(letter)) : line(letter));
}

function line({ position, key, origin, stage, reason }: DeadLetterEntry): string {
  return `${position}  ${key}  ${origin}, given up by ${stage}: ${reason}`;
}

async function show(
  config: string,
  position: string,
  { set, out }: CommonOptions & { readonly out?: string },
): Promise<void> {
  const [letter] = await using(config, set, (open) => open.at([position]));
  if (!letter) return;
  for (const [name, value] of Object.entries(summaryOf(letter))) console.log(`${name.padEnd(12)} ${value}`);
  for (const [name, value] of Object.entries(letter.headers)) console.log(`header ${name}: ${value}`);
  if (out !== undefined) await writeFile(out, letter.value);
}

async function replay(
  config: string,
  positions: readonly string[],
  { set, reason }: CommonOptions & { readonly reason?: string },
): Promise<void> {
  await using(config, set, async (open) => {
    const matching = (letter: DeadLetterEntry) => reason !== undefined && letter.reason.includes(reason);
    const named = await open.at(positions);
    const found = (await open.newest(MOST_LISTED)).filter(
      (letter) => matching(letter) && !positions.includes(letter.position),
    );
    const letters = [...named, ...found];
    await open.replay(letters);
    console.log(
      letters.length === 0
        ? 'nothing to replay'
        : `replayed ${letters.map(({ position }) => position).join(' ')}`,
    );
  });
}

async function using<Result>(
  path: string,
  set: readonly string[],
  work: (open: DeadLetters) => Promise<Result>,
): Promise<Result> {
  const config = await loadTopology(path, set);
  const open = await openDeadLetters(config, warn);
  try {
    return await work(open);
  } finally {
    await open.close();
  }
}

function summaryOf({ position, key, origin, stage, reason, value }: DeadLetterEntry) {
  return { position, key, origin, stage, reason, bytes: value.length };
}
