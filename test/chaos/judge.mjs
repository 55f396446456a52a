import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

const adapterOf = (path) => readFile(join(path, 'pytorch_lora_weights.safetensors'));

async function roundsOf(path) {
  const lines = (await readFile(join(path, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === 'round');
}

/** What a run computed in a round, without what the clock and the machine put there. */
function figuresOf({
  time,
  trainerIdleShare,
  elapsedSeconds,
  eventLoopDelayP99Ms,
  peakRssBytes,
  ...figures
}) {
  return figures;
}

/**
 * Returns what went wrong in a run that was disturbed; nothing where every round was trained once, on all of its
 * groups. In synchronous mode no group may be lost, and figures and adapter must be those of the undisturbed run.
 *
 * @param {{ path: string, undisturbed: string | null, numRounds: number, groupsPerRound: number }} options
 */
export async function judge({ path, undisturbed, numRounds, groupsPerRound }) {
  const rounds = await roundsOf(path);
  const faults = [];
  const numbers = rounds.map(({ round }) => round).join();
  if (numbers !== Array.from({ length: numRounds }, (_, index) => index).join())
    faults.push(`rounds: expected each of 0..${numRounds - 1} once, in order, got ${numbers}`);
  for (const { round, groups, lostGroups, lateGroups } of rounds)
    if (groups + lostGroups + lateGroups !== groupsPerRound)
      faults.push(
        `round ${round}: expected ${groupsPerRound} groups, got ${groups}, ${lostGroups} lost and ${lateGroups} late`,
      );
  const lost = rounds.reduce((sum, { lostGroups }) => sum + lostGroups, 0);
  if (undisturbed !== null) {
    if (lost > 0) faults.push(`lost groups: expected none, got ${lost}`);
    const wanted = (await roundsOf(undisturbed)).map(figuresOf);
    for (const [index, figures] of rounds.map(figuresOf).entries())
      if (!isDeepStrictEqual(figures, wanted[index]))
        faults.push(
          `round ${index}: expected ${JSON.stringify(wanted[index])}, got ${JSON.stringify(figures)}`,
        );
    if (!(await adapterOf(path)).equals(await adapterOf(undisturbed)))
      faults.push('adapter: expected the bytes of the undisturbed run, got others');
  }
  return { faults, lost, groups: rounds.reduce((sum, { groups }) => sum + groups, 0) };
}
