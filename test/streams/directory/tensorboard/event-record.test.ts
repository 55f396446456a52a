import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  eventRecord,
  hyperParameterRecord,
  pictureRecord,
  textRecord,
  versionRecord,
} from '../../../../src/streams/directory/tensorboard/event-record.js';
import { crc32c, tfRecord } from '../../../../src/streams/directory/tensorboard/tf-record.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const dataOf = (record: Uint8Array) => record.subarray(12, record.length - 4);

describe('tfRecord', () => {
  // Length 0: crc32c of eight zero bytes is 0x8c28b28a, masked 0x07980329.
  test('should frame no data by its length and two masked checksums', () => {
    expect(hex(tfRecord(new Uint8Array()))).toBe('000000000000000029039807d8ea82a2');
  });

  test('should unmask to the checksums of length and data', () => {
    const unmasked = (masked: number) => {
      const rotated = (masked - 0xa282ead8) >>> 0;
      return ((rotated >>> 17) | (rotated << 15)) >>> 0;
    };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const record = tfRecord(data);
        const view = new DataView(record.buffer);
        expect(view.getBigUint64(0, true)).toBe(BigInt(data.length));
        expect(unmasked(view.getUint32(8, true))).toBe(crc32c(record.subarray(0, 8)));
        expect(dataOf(record)).toEqual(data);
        expect(unmasked(view.getUint32(record.length - 4, true))).toBe(crc32c(data));
      }),
    );
  });
});

describe('versionRecord', () => {
  test('should hold wall time and the version of the format', () => {
    // 09 = field 1, 64 bit; 1a 0d = field 3, 13 bytes: "brain.Event:2".
    expect(hex(dataOf(versionRecord(1.5)))).toBe('09000000000000f83f1a0d627261696e2e4576656e743a32');
  });
});

describe('eventRecord', () => {
  test('should hold time, step, tag and value in the order of the proto', () => {
    const record = eventRecord({ wallTime: 1.5, step: 300, scalars: { 'a/b': 0.5 } });
    expect(hex(dataOf(record))).toBe(
      [
        '09000000000000f83f', // wall_time
        '10ac02', // step 300
        '2a0c', // summary, 12 bytes
        '0a0a', // value, 10 bytes
        '0a03612f62', // tag "a/b"
        '150000003f', // simple_value 0.5
      ].join(''),
    );
  });

  test('should hold one value a tag', () => {
    const text = hex(dataOf(eventRecord({ wallTime: 0, step: 0, scalars: { a: 1, b: Number.NaN } })));
    expect(text.match(/0a080a01/g)).toHaveLength(2);
    expect(text).toContain('150000c07f');
  });

  test.each([
    ['1e200', 1e200, 'ffff7f7f'],
    ['just beyond the largest float32', 3.5e38, 'ffff7f7f'],
    ['-1e300', -1e300, 'ffff7fff'],
    ['the largest float32 itself', 3.4028234663852886e38, 'ffff7f7f'],
    ['infinity', Number.POSITIVE_INFINITY, '0000807f'],
  ])('should write %s as the nearest number that a float32 can hold', (_, value, bits) => {
    const text = hex(dataOf(eventRecord({ wallTime: 0, step: 0, scalars: { a: value } })));
    expect(text.endsWith(`15${bits}`)).toBe(true);
  });
});

describe('summaries', () => {
  // Each was read back by TensorBoard 2.21: event_accumulator, and HParamsPluginData.
  test('should hold a picture with its size', () => {
    const png = Uint8Array.of(7, 8);
    expect(hex(dataOf(pictureRecord({ wallTime: 0, step: 3, tag: 'a', png, width: 5, height: 4 })))).toBe(
      '090000000000000000' + '1003' + '2a11' + '0a0f' + '0a0161' + '220a' + '08041005180322020708',
    );
  });

  test('should name the plugin of a text', () => {
    const text = hex(dataOf(textRecord({ wallTime: 0, tag: 'config', text: 'x' })));
    expect(text).toContain(Buffer.from('config/text_summary').toString('hex'));
    expect(text.endsWith('420178' + '4a0a' + '0a08' + '0a04' + '74657874' + '1200')).toBe(true);
  });

  test('should hold hyperparameters by name, numbers and words', () => {
    const values = { seed: 7, rule: 'per-prompt' };
    const record = hex(dataOf(hyperParameterRecord({ wallTime: 0, name: 'run', values })));
    expect(record).toContain(Buffer.from('_hparams_/session_start_info').toString('hex'));
    // 0a = an entry: key "seed", value with number_value 7.
    expect(record).toContain('0a11' + '0a0473656564' + '1209' + '110000000000001c40');
    expect(record).toContain(Buffer.from('per-prompt').toString('hex'));
  });
});
