/** @file What a file configures: a run, a study of runs, or the pretraining of a model. */
import { TributaryError } from '../../../errors.js';
import { readConfigSource } from './config-source.js';
import { isMapping } from './value-tree.js';

export type ConfigKind = 'topology' | 'study' | 'pretraining';

/** Keys that only one kind has at the top. What has none of them may be any. */
const KEYS: Readonly<Record<ConfigKind, readonly string[]>> = {
  topology: ['stages', 'extends'],
  study: ['rows'],
  pretraining: ['denoiser', 'pipeline'],
};

const USES: Readonly<Record<ConfigKind, readonly [what: string, command: string]>> = {
  topology: ['a topology', 'train'],
  study: ['a study', 'study'],
  pretraining: ['the settings of a pretraining', 'pretrain'],
};

/** Returns what a text configures, by the keys at its top; null where they do not say. */
export function kindOfConfig(text: string): ConfigKind | null {
  const { value } = readConfigSource(text, '', 0);
  const kinds = Object.keys(KEYS) as ConfigKind[];
  return (
    kinds.find((kind) => isMapping(value) && KEYS[kind].some((key) => Object.hasOwn(value, key))) ?? null
  );
}

/** Refuses a config of another kind: each of its words would be a fault. Errors: TRIB_USAGE. */
export function requireKind(text: string, path: string, wanted: ConfigKind): void {
  const kind = kindOfConfig(text);
  if (kind === null || kind === wanted) return;
  const [what, command] = USES[kind];
  throw new TributaryError(
    'TRIB_USAGE',
    `config ${path}: expected ${USES[wanted][0]}, got ${what}. Use \`tributary ${command} ${path}\`.`,
  );
}
