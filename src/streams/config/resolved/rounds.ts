import { isMapping } from '../source/value-tree.js';

/** How long a run is. */
export interface Rounds {
  readonly numRounds: number;
  /** Rounds over which its schedules are spread, where they are not all of them. */
  readonly plannedRounds?: number | undefined;
}

/** Returns a config with other rounds, its keys in the order they had. */
export function withRounds<Config extends object>(
  config: Config,
  change: (rounds: Rounds) => Rounds,
): Config {
  if (!('stages' in config && isMapping(config.stages))) return config;
  const stages = Object.entries(config.stages).map(([name, stage]) => {
    if (!isMapping(stage) || stage.type !== 'prompts') return [name, stage];
    const { numRounds, plannedRounds } = stage;
    if (typeof numRounds !== 'number') return [name, stage];
    const planned = typeof plannedRounds === 'number' ? plannedRounds : undefined;
    return [name, { ...stage, plannedRounds: undefined, ...change({ numRounds, plannedRounds: planned }) }];
  });
  return { ...config, stages: Object.fromEntries(stages) };
}
