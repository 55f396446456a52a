import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeSafetensors,
  encodeSafetensors,
  type Safetensors,
  type SafetensorsTensor,
} from '../../../src/models/files/safetensors.js';
import { RUNS_ALL } from '../../fixtures/test-all.js';

/** What the safetensors library takes (tools/reference/safetensors_headers.py). */
const headers = JSON.parse(readFileSync('test/fixtures/safetensors-headers.json', 'utf8')) as {
  readonly cases: readonly { readonly name: string; readonly header: string; readonly isTaken: boolean }[];
};

const shape = fc.array(fc.nat(4), { maxLength: 3 });
const sizeOf = (axes: readonly number[]) => axes.reduce((product, axis) => product * axis, 1);
const exactly = (count: number) => ({ minLength: count, maxLength: count });
const tensor: fc.Arbitrary<SafetensorsTensor> = shape.chain((axes) =>
  fc.oneof(
    fc.float64Array(exactly(sizeOf(axes))).map((data) => ({ dtype: 'F64' as const, shape: axes, data })),
    fc.float32Array(exactly(sizeOf(axes))).map((data) => ({ dtype: 'F32' as const, shape: axes, data })),
    fc.uint16Array(exactly(sizeOf(axes))).map((data) => ({ dtype: 'F16' as const, shape: axes, data })),
    fc.uint16Array(exactly(sizeOf(axes))).map((data) => ({ dtype: 'BF16' as const, shape: axes, data })),
    fc.bigInt64Array(exactly(sizeOf(axes))).map((data) => ({ dtype: 'I64' as const, shape: axes, data })),
    fc.uint8Array(exactly(sizeOf(axes))).map((data) => ({ dtype: 'U8' as const, shape: axes, data })),
  ),
);
const name = fc
  .oneof(fc.string({ maxLength: 12, unit: 'grapheme' }), fc.constantFrom('1', '10', 'a.b', 'ä"\\'))
  .filter((text) => !text.startsWith('__'));
const content: fc.Arbitrary<Safetensors> = fc.record({
  tensors: fc.dictionary(name, tensor).map((entries) => new Map(Object.entries(entries))),
  metadata: fc.dictionary(name, fc.string(), { noNullPrototype: true }),
});
const damage = expect.objectContaining({
  code: 'TRIB_FILE',
  message: expect.stringMatching(/^w\.safetensors.*: expected .*, got .*copy it again\.$/),
});

/** A file from its header and the number of its data bytes. */
function fileOf(header: unknown, numDataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + numDataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

describe('encodeSafetensors', () => {
  test('should write these very bytes', () => {
    const bytes = encodeSafetensors({
      tensors: new Map<string, SafetensorsTensor>([
        ['small', { dtype: 'U8', shape: [1], data: Uint8Array.of(7) }],
        ['b', { dtype: 'F32', shape: [1, 2], data: Float32Array.of(1, -2) }],
        ['a', { dtype: 'F32', shape: [], data: Float32Array.of(0.5) }],
      ]),
      metadata: { z: '1', format: 'pt' },
    });
    const header =
      '{"__metadata__":{"format":"pt","z":"1"},' +
      '"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},' +
      '"b":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]},' +
      '"small":{"dtype":"U8","shape":[1],"data_offsets":[12,13]}}';
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const text = new TextDecoder().decode(bytes.subarray(8, 8 + padded.length));
    expect([...bytes.subarray(0, 8)]).toEqual(
      [padded.length, 0, 0, 0, 0, 0, 0, 0].map((v, i) => (i < 2 ? (padded.length >> (8 * i)) & 255 : v)),
    );
    expect(text).toBe(padded);
    expect([...bytes.subarray(8 + padded.length)]).toEqual([0, 0, 0, 63, 0, 0, 128, 63, 0, 0, 0, 192, 7]);
  });

  test('should give back what it was given', () => {
    fc.assert(
      fc.property(content, (given) => {
        const back = decodeSafetensors(encodeSafetensors(given), 'w.safetensors');
        expect(back.metadata).toEqual(given.metadata);
        expect(new Map([...back.tensors].sort())).toEqual(new Map([...given.tensors].sort()));
      }),
    );
  });

  test('should give the same bytes for content in any order, each tensor aligned', () => {
    fc.assert(
      fc.property(content, ({ tensors, metadata }) => {
        const bytes = encodeSafetensors({ tensors, metadata });
        const reversed = {
          tensors: new Map([...tensors].reverse()),
          metadata: Object.fromEntries(Object.entries(metadata).reverse()),
        };
        expect(encodeSafetensors(reversed)).toEqual(bytes);
        const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
        expect(headerBytes % 8).toBe(0);
        const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes)));
        for (const [key, { data }] of tensors) {
          expect((header[key].data_offsets[0] as number) % data.BYTES_PER_ELEMENT).toBe(0);
        }
      }),
    );
  });

  test('should refuse a shape that is not the data', () => {
    const tensors = new Map([['a', { dtype: 'F32', shape: [3], data: new Float32Array(2) } as const]]);
    expect(() => encodeSafetensors({ tensors, metadata: {} })).toThrow(
      'expected a tensor of 2 elements, got shape [3]',
    );
  });
});

describe('decodeSafetensors', () => {
  test('should copy each tensor out of a Buffer, whose own slice shares memory', () => {
    const tensors = new Map([
      ['a', { dtype: 'F32' as const, shape: [2], data: Float32Array.of(1, 2) }],
      ['b', { dtype: 'F32' as const, shape: [1], data: Float32Array.of(3) }],
    ]);
    const decoded = decodeSafetensors(Buffer.from(encodeSafetensors({ tensors, metadata: {} })), 'x');
    expect(decoded.tensors.get('b')?.data).toEqual(Float32Array.of(3));
  });

  const whole = encodeSafetensors({
    tensors: new Map<string, SafetensorsTensor>([
      ['a', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }],
      ['b', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ]),
    metadata: {},
  });

  test('should refuse the file cut anywhere, and with anything after it', () => {
    for (let length = 0; length < whole.length; length++) {
      expect(() => decodeSafetensors(whole.subarray(0, length), 'w.safetensors')).toThrow(damage);
    }
    expect(() => decodeSafetensors(Uint8Array.of(...whole, 0), 'w.safetensors')).toThrow(damage);
  });

  test('should read bytes that lie unaligned in a larger buffer', () => {
    const shifted = new Uint8Array(whole.length + 3);
    shifted.set(whole, 3);
    expect(decodeSafetensors(shifted.subarray(3), 'w.safetensors').tensors.get('a')?.data).toEqual(
      Float32Array.of(1, 2),
    );
  });

  const f32 = (start: number, end: number, axes: unknown = [1]) => ({
    dtype: 'F32',
    shape: axes,
    data_offsets: [start, end],
  });
  test.each([
    ['overlapping tensors', { a: f32(0, 4), b: f32(2, 6) }, 6, 'from byte 4, got from byte 2'],
    ['two tensors in one place', { a: f32(0, 4), b: f32(0, 4) }, 4, 'from byte 4, got from byte 0'],
    ['a hole', { a: f32(0, 4), b: f32(8, 12) }, 12, 'from byte 4, got from byte 8'],
    ['a tensor past the end', { a: f32(0, 4) }, 2, 'at least'],
    ['a shape that needs more', { a: f32(0, 4, [2]) }, 4, 'expected 8 bytes for F32 [2], got 4'],
    ['offsets in reverse', { a: f32(0, -4) }, 4, 'data_offsets'],
    ['a negative axis', { a: f32(0, 4, [-1]) }, 4, 'a.shape.0'],
    ['an unknown dtype', { a: { dtype: 'G8', shape: [1], data_offsets: [0, 1] } }, 1, 'a.dtype'],
    ['metadata that is not text', { __metadata__: { step: 3 } }, 0, '__metadata__.step'],
    ['a header that is a list', [], 0, 'the header'],
    ['metadata that is a list', { __metadata__: ['a'] }, 0, '__metadata__'],
    ['a tensor that is none', { a: null }, 0, 'header, a: expected'],
    ['more axes than a tensor has', { a: f32(0, 4, Array(65).fill(1)) }, 4, 'a fault: 65 axes'],
    ['a shape whose product is not exact', { a: f32(0, 4, [2 ** 53 - 1, 2 ** 53 - 1]) }, 4, 'got 4'],
  ])('should refuse %s', (_, header, numDataBytes, text) => {
    const decode = () => decodeSafetensors(fileOf(header, numDataBytes), 'w.safetensors');
    expect(decode).toThrow(damage);
    expect(decode).toThrow(text);
  });

  test.each(headers.cases)('should take what the safetensors library takes, and no more: $name', (one) => {
    const text = new TextEncoder().encode(one.header);
    const bytes = new Uint8Array(8 + text.length + 8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    bytes.set(new Uint8Array(Float32Array.of(1, 2).buffer), 8 + text.length);
    const decode = () => [...decodeSafetensors(bytes, 'w.safetensors').tensors.values()];
    if (one.isTaken) expect(decode()).toEqual([{ dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]);
    else expect(decode).toThrow(damage);
  });

  test('should spend no more on a million faults than on one', () => {
    const header = Object.fromEntries(Array.from({ length: 500_000 }, (_, index) => [`t${index}`, 0]));
    const bytes = fileOf(header, 0);
    const before = process.memoryUsage().heapTotal;
    expect(() => decodeSafetensors(bytes, 'w.safetensors')).toThrow('header, t0: expected');
    // The header itself, parsed, takes some 60 MB; a fault for each tensor would take 300.
    expect(process.memoryUsage().heapTotal - before).toBeLessThan(2 ** 27);
  });

  test.each([
    ['torch.save', [0x50, 0x4b, 3, 4, 0, 0, 8, 8]],
    ['torch.save before 1.6', [0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46]],
  ])('should say of a pickle that it is one, whatever the file is called: %s', (_, first) => {
    const bytes = Uint8Array.from([...first, ...new Uint8Array(64)]);
    expect(() => decodeSafetensors(bytes, 'w.safetensors')).toThrow(
      'w.safetensors: expected safetensors, got a pickle, which can run any code when it is loaded and is never read here.',
    );
  });

  /** A header that lies: of each tensor about its type, its shape or its place. */
  const lie = fc.oneof(
    fc.integer({ min: -9, max: 40 }),
    fc.constantFrom(
      2 ** 31,
      2 ** 32 + 4,
      2 ** 53 - 1,
      2 ** 53,
      1e300,
      -0,
      0.5,
      Number.MIN_VALUE,
      null,
      '4',
      [],
      {},
    ),
  );
  const lyingTensor = fc.record(
    {
      dtype: fc.constantFrom('F32', 'F16', 'BF16', 'I64', 'U8', 'F64', 'BOOL', '', 7),
      shape: fc.oneof(fc.array(lie, { maxLength: 4 }), lie),
      data_offsets: fc.oneof(fc.tuple(lie, lie), fc.array(lie, { maxLength: 3 }), lie),
      __proto__: fc.constant(1),
    },
    { requiredKeys: [] },
  );
  const lyingHeader = fc.dictionary(
    fc.constantFrom('a', 'b', 'ä', '', '__metadata__', '__proto__', 'constructor', 'length'),
    fc.oneof({ weight: 5, arbitrary: lyingTensor }, { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) }),
  );
  /** How much longer or shorter the file says that its header is. */
  const lengthLie = fc.oneof(
    { weight: 4, arbitrary: fc.constant(0n) },
    { weight: 1, arbitrary: fc.bigInt({ min: -64n, max: 64n }) },
    { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) },
  );

  test('should refuse or read whole thousands of files whose headers lie, and allocate nothing for a lie', () => {
    const before = process.memoryUsage().arrayBuffers;
    let read = 0;
    fc.assert(
      fc.property(
        lyingHeader,
        fc.nat(48),
        lengthLie,
        fc.nat(2 ** 20),
        (header, numDataBytes, longer, cut) => {
          const bytes = fileOf(header, numDataBytes);
          const view = new DataView(bytes.buffer);
          view.setBigUint64(0, BigInt.asUintN(64, view.getBigUint64(0, true) + longer), true);
          const given = cut % 5 === 0 ? bytes.subarray(0, cut % (bytes.length + 1)) : bytes;
          try {
            const { tensors } = decodeSafetensors(given, 'w.safetensors');
            read += 1;
            const total = [...tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
            expect(total).toBeLessThanOrEqual(numDataBytes + 64);
            for (const { shape, data } of tensors.values()) expect(data).toHaveLength(sizeOf(shape));
          } catch (error) {
            expect(error).toMatchObject({ code: 'TRIB_FILE' });
          }
        },
      ),
      { numRuns: RUNS_ALL ? 10_000 : 2_500 },
    );
    // Some lies are none: the empty header of an empty file, say.
    expect(read).toBeGreaterThan(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });

  test('should refuse a header length beyond all reason without allocating it', () => {
    const bytes = new Uint8Array(16).fill(255);
    expect(() => decodeSafetensors(bytes, 'w.safetensors')).toThrow('a header of at most 8 bytes');
  });
});
