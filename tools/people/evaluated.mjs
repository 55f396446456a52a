/** @file The evaluations of a folder: what is there already is not made again. */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Runs Node on a script of the checkout; ends this process with its status where that is not 0. */
export function run(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

/** What evaluate.mjs says of a policy, on pictures from `noise`; of the base model where `lora` is undefined. */
export function evaluated({ folder, noise, images }, name, lora) {
  const out = join(folder, `${name}.noise-${noise}-${images}.json`);
  const adapter = lora === undefined ? [] : ['--lora', lora];
  if (!existsSync(out))
    run('tools/people/evaluate.mjs', '--out', out, '--seed', noise, '--images', images, ...adapter);
  return JSON.parse(readFileSync(out, 'utf8'));
}
