/** @file Where things lie on the server; relative, so that a proxy may put the page anywhere. */

/** The run that the server is in, or one of its folder. */
export function runAddress(run: string | null): string {
  return run === null ? 'v1/run' : `v1/runs/${encodeURIComponent(run)}`;
}

/** A picture of a group, from 0. */
export function pictureAddress(id: string, picture: number): string {
  return `v1/groups/${encodeURIComponent(id)}/pictures/${picture}.png`;
}

/** What the network expected to draw, before a step. */
export function guessAddress(id: string, step: number, node: number): string {
  return `v1/groups/${encodeURIComponent(id)}/pictures/guess-${step}-${node}.png`;
}

const padded = (round: number) => String(round).padStart(4, '0');

/** Pictures of the evaluation after so many rounds. */
export function gridAddress(run: string | null, rounds: number): string {
  return `${runAddress(run)}/samples/round-${padded(rounds)}.png`;
}

/** Trees of a round: what they are, and their pictures on one sheet. */
export function treesAddress(run: string | null, round: number, kind: 'json' | 'png'): string {
  return `${runAddress(run)}/samples/trees-${padded(round)}.${kind}`;
}
