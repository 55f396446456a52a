import type { z } from 'zod';
import { TributaryError } from '../../errors.js';
import {
  type PretrainingConfig,
  pretrainingSchema,
} from '../../models/shapes/pretraining/pretraining-config.js';
import { readConfigText } from '../../streams/config/load-topology.js';
import { type ConfigSource, readConfigSource } from '../../streams/config/source/config-source.js';
import {
  createFault,
  describeValue,
  type FaultDetail,
  type Path,
} from '../../streams/config/source/fault.js';
import { nearestName } from '../../streams/config/source/nearest-name.js';
import { valueAt } from '../../streams/config/source/value-tree.js';

/**
 * Reads the settings of a pretraining.
 *
 * **Errors**: TRIB_CONFIG with every fault on a line of its own; TRIB_USAGE where the file cannot be read.
 */
export async function loadPretraining(path: string): Promise<PretrainingConfig> {
  const source = readConfigSource(await readConfigText(path), path, 0);
  const isYaml = source.faults.every(({ kind }) => kind !== 'syntax');
  const parsed = isYaml ? pretrainingSchema.safeParse(source.value) : undefined;
  if (parsed?.success && source.faults.length === 0) return parsed.data;
  const details = (parsed?.error?.issues ?? []).flatMap((issue) => detailsOf(issue, source.value));
  const faults = [
    ...source.faults,
    ...details.map((detail) => createFault(placeOf(source, detail.path), detail)),
  ];
  faults.sort((a, b) => a.place.order - b.place.order);
  throw new TributaryError('TRIB_CONFIG', faults.map(({ message }) => message).join('\n'));
}

function detailsOf(issue: z.core.$ZodIssue, config: unknown): FaultDetail[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path);
    return issue.keys.map((key) => {
      const nearest = nearestName(key, known);
      return {
        kind: 'unknown-key',
        path: [...path, key],
        thing: 'the key',
        expected: `one of ${known.join(', ')}`,
        got: `"${key}"`,
        nextStep: nearest === undefined ? 'Remove it.' : `Did you mean "${nearest}"?`,
      };
    });
  }
  const value = valueAt(config, path);
  // The schema speaks as zod does by default: "Invalid input: expected number, received string".
  const expected = issue.message.replace(/^.*expected /, '').replace(/, received .*$/, '');
  const isMissing = value === undefined;
  return [
    {
      kind: isMissing ? 'missing' : 'bad-value',
      path,
      expected,
      got: describeValue(value),
      nextStep: isMissing ? `Add \`${path.at(-1)}\`.` : 'Change the value.',
    },
  ];
}

function knownKeys(path: Path): string[] {
  const { shape } = pretrainingSchema;
  const [part] = path;
  return Object.keys(part === 'denoiser' || part === 'reward' ? shape[part].shape : shape);
}

/** The place of a path, or of the innermost mapping around it that is there. */
function placeOf(source: ConfigSource, path: Path) {
  for (let depth = path.length; depth > 0; depth--) {
    const place = source.placeOf(path.slice(0, depth), 'key');
    if (place) return place;
  }
  return source.placeOf([], 'value') ?? { label: 'config', order: 0 };
}
