/** @file Lists of numbers as tensors of bytes, and back, without loss. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { decodeFloat16, encodeExactFloat16 } from '../../../models/numeric/float16.js';
import { elementCount } from '../../../models/tensor.js';
import { requireField, requirePart } from './message-codec.js';
import { ElementType, type Tensor, type TensorSchema } from './tributary_pb.js';

const BYTES = { [ElementType.FLOAT32]: 4, [ElementType.FLOAT16]: 2 } as const;
const HIGHEST_RANK = 8;

/** As float16 if that is exact, which halves the message, else as float32. The bytes may be shared with `values`. */
export function tensorToWire(
  values: Float32Array,
  shape: readonly number[] = [values.length],
): MessageInitShape<typeof TensorSchema> {
  const halves = encodeExactFloat16(values);
  const array = halves ?? values;
  return {
    elementType: halves ? ElementType.FLOAT16 : ElementType.FLOAT32,
    shape: [...shape],
    data: new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
  };
}

interface WireTensor {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Throws `MessageFault` if shape and bytes do not fit, or a number is not finite. */
export function tensorFromWire(tensor: Tensor | undefined, path: string): WireTensor {
  const { elementType, shape, data } = requirePart(tensor, path);
  requireField(
    elementType === ElementType.FLOAT32 || elementType === ElementType.FLOAT16,
    `${path}.element_type`,
    'FLOAT32 or FLOAT16',
    elementType,
  );
  requireField(
    shape.length <= HIGHEST_RANK,
    `${path}.shape`,
    `at most ${HIGHEST_RANK} dimensions`,
    shape.length,
  );
  const size = elementCount(shape) * BYTES[elementType];
  requireField(
    data.length === size,
    `${path}.data`,
    `${size} bytes for the shape [${shape.join(', ')}]`,
    data.length,
  );
  // A copy: numbers must be aligned, and the record must not be kept alive. `slice` of a Buffer would not copy.
  const { buffer } = new Uint8Array(data);
  const values =
    elementType === ElementType.FLOAT32 ? new Float32Array(buffer) : decodeFloat16(new Uint16Array(buffer));
  const place = firstNotFinite(values);
  requireField(place < 0, `${path}.data[${place}]`, 'a finite number', values[place]);
  return { shape, values };
}

/** A loop, since the main thread reads messages of megabytes. */
function firstNotFinite(values: Float32Array): number {
  for (let index = 0; index < values.length; index++) if (!Number.isFinite(values[index])) return index;
  return -1;
}
