/**
 * @file TensorBoard's events, written field by field. Of TensorFlow's event.proto only this much is needed:
 *
 *     Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *     Summary { repeated Value value = 1; }
 *     Value   { string tag = 1; float simple_value = 2; }
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { tfRecord } from './tf-record.js';

/** Numbers at one step, by tag, such as `charts/reward_mean`. */
interface EventScalars {
  readonly step: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly scalars: Readonly<Record<string, number>>;
}

/** Returns the record that every event file begins with. */
export function versionRecord(wallTime: number): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);
  return tfRecord(event.tag(3, WireType.LengthDelimited).string('brain.Event:2').finish());
}

/** The largest number of the format. */
const MAX_FLOAT32 = 2 ** 127 * (2 - 2 ** -23);

/**
 * Returns the record of one step's numbers. A number beyond the range of float32 is written as the nearest one in it; NaN and
 * the infinities are written unchanged.
 */
export function eventRecord({ step, wallTime, scalars }: EventScalars): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);
  event.tag(2, WireType.Varint).int64(step).tag(5, WireType.LengthDelimited).fork();
  for (const [tag, value] of Object.entries(scalars)) {
    event.tag(1, WireType.LengthDelimited).fork();
    event.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(inFloat32(value)).join();
  }
  return tfRecord(event.join().finish());
}

/** The writer throws on a finite number beyond the range of float32. */
function inFloat32(value: number): number {
  return Number.isFinite(value) ? Math.min(Math.max(value, -MAX_FLOAT32), MAX_FLOAT32) : value;
}
