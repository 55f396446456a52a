import { TributaryError } from '../../../errors.js';
import type { Tensors } from '../../engines/contract/engine.js';
import { unitRows } from '../contract/features.js';
import { floatOutput } from './float-ports.js';

/**
 * An output [rows, D] as vectors of length 1.
 * @throws TRIB_MODEL where it has another shape: cut into rows it would be numbers, but no features.
 */
export function featureRows(outputs: Tensors, name: string, rows: number, label: string): Float32Array[] {
  const values = floatOutput(outputs, name);
  const shape = outputs[name]?.shape ?? [];
  if (shape.length === 2 && shape[0] === rows) return unitRows(values, rows);
  throw new TributaryError(
    'TRIB_MODEL',
    `${label} output "${name}": expected [${rows}, D], one vector a row, got [${shape.join(', ')}]. Export it as docs/rewards.md says.`,
  );
}
