import { TributaryError } from '../../errors.js';
import type { LoraSettings } from '../../models/diffusion/denoiser.js';
import type { Adapter } from '../../models/graph/lora.js';
import type { NamedArrays } from '../../models/optimizers/adamw.js';
import { readAdapter } from '../read-adapter.js';

/**
 * Returns the weights of an adapter file that a run goes on from.
 *
 * **Errors**: TRIB_FILE or TRIB_LORA where the file is no adapter; TRIB_LORA where it has another rank, alpha or other
 * layers than the run's.
 */
export async function startingParameters(
  path: string,
  adapters: readonly Adapter[],
  lora: LoraSettings,
): Promise<NamedArrays> {
  const { parameters, rank, alpha } = await readAdapter(path);
  if (rank !== lora.rank || alpha !== lora.alpha) {
    const [wanted, got] = [lora, { rank, alpha }].map((one) => `rank ${one.rank} and alpha ${one.alpha}`);
    throw fault(path, `${wanted} as model.lora says`, `${got}`, `Set model.lora to ${got}.`);
  }
  const wanted = adapters.flatMap(({ inputA, inputB }) => [inputA, inputB]);
  const missing = wanted.find((name) => !(name in parameters));
  const surplus = Object.keys(parameters).find((name) => !wanted.includes(name));
  if (missing === undefined && surplus === undefined) return parameters;
  const got = missing === undefined ? `"${surplus}" beside` : `none for "${missing}"`;
  const expected = 'weights for the layers that model.lora.pattern names';
  throw fault(path, expected, got, 'Use the pattern that the adapter was trained with.');
}

function fault(path: string, expected: string, got: string, nextStep: string): TributaryError {
  return new TributaryError('TRIB_LORA', `${path}: expected ${expected}, got ${got}. ${nextStep}`);
}
