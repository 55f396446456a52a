import { calling, createOwn, type OwnSettings, ownFault } from '../../own-entries.js';
import { formatShape } from '../graph/graph.js';
import { Expression } from '../graph/ops/expression.js';
import { comparesPairs, type ReferencePolicy, type Surrogate } from './surrogate.js';

/** A surrogate as a module makes it: what most do without has a default. */
export type OwnSurrogate = Surrogate extends infer Each
  ? Each extends Surrogate
    ? Omit<Each, 'references' | 'clipRange'> & Partial<Pick<Each, 'references' | 'clipRange'>>
    : never
  : never;

const KINDS: readonly unknown[] = ['steps', 'pairs', 'denoising'];
const REFERENCES: readonly unknown[] = ['old', 'pretrained'];

/** Creates the surrogate of a module. Errors: TRIB_CONFIG if it is none, or later if its loss is not one number a row. */
export function createOwnSurrogate(settings: OwnSettings): Surrogate {
  const { module } = settings;
  const fault = (expected: string, got: unknown) =>
    ownFault(
      'surrogate',
      module,
      expected,
      typeof got === 'function' ? 'a function' : (JSON.stringify(got) ?? 'nothing'),
    );
  const made = createOwn('surrogate', settings) as OwnSurrogate | undefined;
  if (!KINDS.includes(made?.trainsOn)) throw fault('trainsOn: steps, pairs or denoising', made?.trainsOn);
  const { references = [], clipRange = null, loss, ...others } = made as OwnSurrogate;
  if (typeof loss !== 'function') throw fault('a function loss', loss);
  if (!Array.isArray(references) || !references.every((one) => REFERENCES.includes(one)))
    throw fault('references out of old, pretrained', references);
  if (clipRange !== null && !(clipRange > 0)) throw fault('a clipRange above 0, or null', clipRange);
  const { timestepsPerSample = 1 } = made as { readonly timestepsPerSample?: number };
  if (!(Number.isInteger(timestepsPerSample) && timestepsPerSample > 0))
    throw fault('a whole number of timestepsPerSample', timestepsPerSample);
  const checked = (
    values: { readonly advantage: Expression } & Partial<Record<ReferencePolicy, unknown>>,
  ) => {
    const losses: unknown = calling('surrogate', module, 'loss', () => loss(values as never));
    const [rows = 1] = values.advantage.shape;
    const wanted = formatShape([comparesPairs(made) ? rows / 2 : rows]);
    if (!(losses instanceof Expression)) throw fault('loss to return an expression of its arguments', losses);
    const got = `${losses.type} ${formatShape(losses.shape)}`;
    if (got === `float32 ${wanted}`) return losses;
    throw ownFault('surrogate', module, `loss to return one number a row, float32 ${wanted}`, got);
  };
  return { ...others, timestepsPerSample, references, clipRange, loss: checked } as Surrogate;
}
