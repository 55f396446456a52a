import { TributaryError } from '../../../errors.js';
import { isOfTextEncoder } from '../../../models/adapters/component-names.js';
import { someOf } from '../../../models/adapters/lora-layer.js';
import type { Adapter, LoraSettings } from '../../../models/graph/weights/lora.js';
import { policyFeeds } from '../../../models/graph/weights/policy-feeds.js';
import type { PolicyInputs } from '../../../models/graph/weights/policy-network.js';
import type { NamedArrays } from '../../../models/optimizers/adamw.js';
import { requireSizes, requireTrained } from '../../../models/policy/adapter-parameters.js';
import { policyParameters } from '../../../models/policy/policy-file.js';
import { type ReadPolicy, readPolicy } from '../../directory/read-adapter.js';

/** What a run starts from. */
interface StartingParameters {
  readonly parameters: NamedArrays;
  /** About the file. */
  readonly warnings: readonly string[];
}

/**
 * Reads the parameters of a policy file for a run to start from.
 *
 * Errors: TRIB_FILE or TRIB_LORA where the file is no adapter; TRIB_LORA where it has another rank, alpha or other
 * layers than the run's.
 *
 * @param place the file, or the folder that it lies in.
 */
export async function startingParameters(
  place: string,
  inputs: PolicyInputs,
  lora: LoraSettings | null,
): Promise<StartingParameters> {
  const policy = await readPolicy(place);
  requireFit(policy, inputs, lora);
  const parameters = policyParameters(policy, inputs, policy.path);
  inFile(policy.path, () => policyFeeds(inputs, parameters, lora));
  return { parameters, warnings: policy.warnings };
}

/** Checks that the file holds what the run trains: the same layers, then the same rank and alpha. */
function requireFit(
  policy: ReadPolicy,
  { adapters }: Pick<PolicyInputs, 'adapters'>,
  lora: LoraSettings | null,
): void {
  const { path, adapter } = policy;
  requireKind(policy, lora);
  if (adapter === null || lora === null) return;
  const { layers } = adapter;
  const adapted = adapters.map(({ layer }) => layer);
  const missing = adapted.filter((layer) => !layers.includes(layer));
  // Those of text encoders have a message of their own: see `adapterParameters`.
  const surplus = layers.filter((layer) => !adapted.includes(layer) && !isOfTextEncoder(layer));
  if (missing.length > 0 || surplus.length > 0) {
    const got = [
      ...(missing.length > 0 ? [`none for ${someOf(missing)}`] : []),
      ...(surplus.length > 0 ? [`some for ${someOf(surplus)} beside`] : []),
    ].join(', ');
    const fields = `model.lora.pattern ${adapted.some(isOfTextEncoder) ? 'and model.lora.textEncoder name' : 'names'}`;
    const expected = `weights for the layers that ${fields}`;
    throw fault(path, expected, got, 'Use the pattern and the base model that the adapter was trained with.');
  }
  requireScale(policy, lora);
}

/** Checks what can be told without the network: an adapter or all weights, of one rank. */
function requireKind({ path, adapter }: ReadPolicy, lora: LoraSettings | null): void {
  if (lora === null && adapter === null) return;
  if (lora === null) {
    const nextStep = 'Merge the adapter into the base model first, or set model.train: adapter.';
    throw fault(path, 'the weights of a UNet, as model.train: full trains them', 'an adapter', nextStep);
  }
  if (adapter === null) {
    throw fault(path, 'an adapter', 'all weights of a UNet', 'Set model.train: full, or name an adapter.');
  }
  if (!adapter.hasOneRank) {
    const nextStep = 'Train it on where it was made, or merge it into the base model.';
    throw fault(path, 'one rank and one alpha for all layers', 'other ones for some of them', nextStep);
  }
}

function requireScale({ path, adapter }: ReadPolicy, lora: LoraSettings | null): void {
  if (adapter === null || lora === null) return;
  const { rank, alpha } = adapter;
  // Files of kohya's style hold alpha as a float32.
  if (rank !== lora.rank || Math.fround(alpha) !== Math.fround(lora.alpha)) {
    const [wanted, got] = [lora, { rank, alpha }].map((one) => `rank ${one.rank} and alpha ${one.alpha}`);
    throw fault(path, `${wanted} as model.lora says`, `${got}`, `Set model.lora to ${got}.`);
  }
}

/**
 * Checks that a run can start from a policy file, as far as can be told without the weights of its network. Errors: as
 * `startingParameters`.
 *
 * @param adapters what the run adapts; null where that is not known.
 */
export async function requireStart(
  place: string,
  lora: LoraSettings | null,
  adapters: readonly Adapter[] | null,
): Promise<void> {
  const policy = await readPolicy(place);
  if (adapters) {
    requireFit(policy, { adapters }, lora);
    if (policy.adapter) requireSizes(policy.adapter.stored, adapters, policy.path);
    return;
  }
  requireKind(policy, lora);
  if (policy.adapter && lora?.textEncoder === undefined)
    requireTrained(policy.adapter.stored, [], policy.path);
  requireScale(policy, lora);
}

/** Names the file in errors about its content. */
function inFile(path: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (!(cause instanceof TributaryError)) throw cause;
    throw new TributaryError(cause.code, `${path}: ${cause.message}`, { cause });
  }
}

function fault(path: string, expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError('TRIB_LORA', `${path}: expected ${expected}, got ${got}. ${nextStep}`);
}
