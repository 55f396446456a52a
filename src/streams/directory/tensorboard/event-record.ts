/**
 * @file TensorBoard's events, written field by field. Of TensorFlow's event.proto only this much is needed:
 *
 *     Event   { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
 *     Summary { repeated Value value = 1; }
 *     Value   { string tag = 1; float simple_value = 2; Image image = 4; TensorProto tensor = 8; SummaryMetadata metadata = 9; }
 *     Image   { int32 height = 1; int32 width = 2; int32 colorspace = 3; bytes encoded_image_string = 4; }
 *     TensorProto { DataType dtype = 1; TensorShapeProto tensor_shape = 2; repeated bytes string_val = 8; }
 *     SummaryMetadata { PluginData plugin_data = 1 { string plugin_name = 1; bytes content = 2; } }
 *
 * And of its plugin for hyperparameters (tensorboard/plugins/hparams/plugin_data.proto):
 *
 *     HParamsPluginData { int32 version = 1; SessionStartInfo session_start_info = 3; }
 *     SessionStartInfo  { map<string, google.protobuf.Value> hparams = 1; string group_name = 4; }
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

interface Event {
  /** Default 0. */
  readonly step?: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
}

export interface PictureEvent extends Event {
  readonly tag: string;
  /** A PNG in colors, with its size in pixels. */
  readonly png: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Returns the record of a picture. */
export function pictureRecord({ tag, png, width, height, ...event }: PictureEvent): Uint8Array {
  return valueRecord(event, (value) => {
    value.tag(1, WireType.LengthDelimited).string(tag).tag(4, WireType.LengthDelimited).fork();
    value.tag(1, WireType.Varint).int32(height).tag(2, WireType.Varint).int32(width);
    value.tag(3, WireType.Varint).int32(COLORS).tag(4, WireType.LengthDelimited).bytes(png).join();
  });
}

/** Number of channels. */
const COLORS = 3;
/** DT_STRING of TensorFlow's types.proto. */
const TEXT = 7;

/** Returns the record of a text in Markdown. */
export function textRecord({
  tag,
  text,
  ...event
}: Event & { readonly tag: string; readonly text: string }): Uint8Array {
  return valueRecord(event, (value) => {
    value
      .tag(1, WireType.LengthDelimited)
      .string(`${tag}/text_summary`)
      .tag(8, WireType.LengthDelimited)
      .fork();
    value.tag(1, WireType.Varint).int32(TEXT);
    // A shape of one dimension of size 1.
    value.tag(2, WireType.LengthDelimited).fork().tag(2, WireType.LengthDelimited).fork();
    value.tag(1, WireType.Varint).int64(1).join().join();
    value.tag(8, WireType.LengthDelimited).string(text).join();
    plugin(value, 'text', new Uint8Array());
  });
}

export type HyperParameters = Readonly<Record<string, string | number>>;

/** Returns the record of a run's hyperparameters; `name` is what its table calls the run. */
export function hyperParameterRecord({
  name,
  values,
  ...event
}: Event & { readonly name: string; readonly values: HyperParameters }): Uint8Array {
  const data = new BinaryWriter().tag(1, WireType.Varint).int32(0).tag(3, WireType.LengthDelimited).fork();
  for (const [key, value] of Object.entries(values)) {
    data.tag(1, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(key);
    data.tag(2, WireType.LengthDelimited).fork();
    if (typeof value === 'number') data.tag(2, WireType.Bit64).double(value);
    else data.tag(3, WireType.LengthDelimited).string(value);
    data.join().join();
  }
  data.tag(4, WireType.LengthDelimited).string(name);
  return valueRecord(event, (value) => {
    value.tag(1, WireType.LengthDelimited).string('_hparams_/session_start_info');
    plugin(value, 'hparams', data.join().finish());
  });
}

function valueRecord({ step = 0, wallTime }: Event, write: (value: BinaryWriter) => void): Uint8Array {
  const event = new BinaryWriter().tag(1, WireType.Bit64).double(wallTime);
  event.tag(2, WireType.Varint).int64(step).tag(5, WireType.LengthDelimited).fork();
  event.tag(1, WireType.LengthDelimited).fork();
  write(event);
  return tfRecord(event.join().join().finish());
}

function plugin(value: BinaryWriter, name: string, content: Uint8Array): void {
  value.tag(9, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).fork();
  value.tag(1, WireType.LengthDelimited).string(name);
  value.tag(2, WireType.LengthDelimited).bytes(content).join().join();
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
