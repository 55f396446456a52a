/** @file Tensors into TensorFlow.js and back. It has float32, int32 and booleans. */

import { TributaryError } from '../../../errors.js';
import type { ElementType, Tensor } from '../../tensor.js';
import type { Tf, TfTensor } from './ops/op.js';

/** Uploads a tensor; int64 and uint8 become int32. Errors: TRIB_ENGINE for float16, float64 and longer integers. */
export function upload(tf: Tf, { type, data, shape }: Tensor, name: string): TfTensor {
  const sizes = [...shape];
  switch (type) {
    case 'float32':
      return tf.tensor(data as Float32Array, sizes, 'float32');
    case 'int32':
      return tf.tensor(data as Int32Array, sizes, 'int32');
    case 'uint8':
      return tf.tensor(Int32Array.from(data as Uint8Array), sizes, 'int32');
    case 'int64':
      return tf.tensor(toInt32(data as BigInt64Array, name), sizes, 'int32');
    case 'bool':
      return tf.tensor(data as Uint8Array, sizes, 'bool');
    case 'float16':
    case 'float64':
      throw new TributaryError(
        'TRIB_ENGINE',
        `tensor "${name}": expected float32, integers or booleans, the types of tfjs, got ${type}. Export the model in float32.`,
      );
    default:
      return type satisfies never;
  }
}

function toInt32(values: BigInt64Array, name: string): Int32Array {
  return Int32Array.from(values, (value) => {
    if (BigInt.asIntN(32, value) === value) return Number(value);
    const text = `tensor "${name}": expected 32-bit integers, the only ones in tfjs, got ${value}. Use the engine onnxruntime.`;
    throw new TributaryError('TRIB_ENGINE', text);
  });
}

/** Downloads a tensor into an array of its own, as the element type that its port declares. */
export function download(tensor: TfTensor, type: ElementType): Tensor {
  const shape = [...tensor.shape];
  const data = tensor.dataSync();
  switch (type) {
    case 'float32':
      return { type, shape, data: Float32Array.from(data) };
    case 'int32':
      return { type, shape, data: Int32Array.from(data) };
    case 'int64':
      return { type, shape, data: BigInt64Array.from(data as Int32Array, BigInt) };
    case 'uint8':
    case 'bool':
      return { type, shape, data: Uint8Array.from(data) };
    case 'float16':
    case 'float64':
      throw new TributaryError(
        'TRIB_ENGINE',
        `graph output: expected float32, integers or booleans, the types of tfjs, got ${type}. Export the model in float32.`,
      );
    default:
      return type satisfies never;
  }
}
