/** The smallest whole config: what has a default is left out. */
export const SMALLEST = `name: tiny
model: { pipeline: models/shapes }
stages:
  prompts: { type: prompts, train: train.txt, heldOut: held-out.txt }
  schedule: { type: schedule, mode: floor-linear, first: 7, last: 10 }
  sampler: { type: sampler }
  reward: { type: reward, model: models/shapes/reward }
  advantages: { type: advantages, rule: branch-centered }
  trainer: { type: trainer }
version: 2
`;

/** SMALLEST, or another text, with one line of it replaced; the line is known by how it begins. */
export function withLine(beginning: string, replacement: string, text = SMALLEST): string {
  const lines = text.split('\n');
  const index = lines.findIndex((line) => line.trimStart().startsWith(beginning));
  if (index < 0) throw new Error(`no line begins with ${beginning}`);
  const indent = /^ */.exec(lines[index] ?? '')?.[0] ?? '';
  lines.splice(index, 1, ...(replacement === '' ? [] : [indent + replacement]));
  return lines.join('\n');
}
