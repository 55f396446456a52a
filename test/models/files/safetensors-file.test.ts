import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeSafetensors, encodeSafetensors, floatValues } from '../../../src/models/files/safetensors.js';
import { openSafetensors } from '../../../src/models/files/safetensors-file.js';
import { encodeFloat16 } from '../../../src/models/numeric/float16.js';
import { faultOf } from '../../fixtures/fault-of.js';
import { temporaryFolder } from '../../fixtures/temporary-folder.js';

const WHOLE = encodeSafetensors({
  tensors: new Map([
    ['a', { dtype: 'F32', shape: [2], data: Float32Array.of(1, -2) } as const],
    ['h', { dtype: 'F16', shape: [3], data: encodeFloat16([0.5, -1.25, 3]) } as const],
    ['b', { dtype: 'BF16', shape: [1], data: Uint16Array.of(0xbfc0) } as const],
    ['n', { dtype: 'I64', shape: [1], data: BigInt64Array.of(7n) } as const],
  ]),
  metadata: { format: 'pt' },
});

async function fileOf(bytes: Uint8Array): Promise<string> {
  const path = join(await temporaryFolder(), 'w.safetensors');
  await writeFile(path, bytes);
  return path;
}

/** A file of a header and as many zeros as wanted. */
function withHeader(header: unknown, numDataBytes: number): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + numDataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

describe('openSafetensors', () => {
  test('should read each tensor alone, in any order, as float32 from any precision', async () => {
    const file = await openSafetensors(await fileOf(WHOLE));
    expect([...file.records.keys()].sort()).toEqual(['a', 'b', 'h', 'n']);
    expect(file.records.get('h')?.shape).toEqual([3]);
    expect(floatValues(await file.read('h'))).toEqual(Float32Array.of(0.5, -1.25, 3));
    expect(floatValues(await file.read('b'))).toEqual(Float32Array.of(-1.5));
    expect(floatValues(await file.read('a'))).toEqual(Float32Array.of(1, -2));
    expect(floatValues(await file.read('n'))).toBeNull();
    expect(await file.read('n')).toEqual(decodeSafetensors(WHOLE, 'x').tensors.get('n'));
    expect((await faultOf(() => file.read('c')))[0]).toBe('TRIB_INTERNAL');
    await file.close();
  });

  test('should refuse the file cut anywhere', async () => {
    for (let length = 0; length < WHOLE.length; length += 3) {
      const [code, message] = await faultOf(async () =>
        openSafetensors(await fileOf(WHOLE.subarray(0, length))),
      );
      expect(code).toBe('TRIB_FILE');
      expect(message).toMatch(/truncated: copy it again\.$/);
    }
  });

  test('should believe no header that promises more than the file holds, and allocate nothing for it', async () => {
    const huge = 2 ** 50;
    const lies = [
      new Uint8Array(64).fill(255),
      withHeader({ a: { dtype: 'F32', shape: [huge / 4], data_offsets: [0, huge] } }, 16),
      withHeader({ a: { dtype: 'F32', shape: [2 ** 26, 2 ** 26, 2 ** 26], data_offsets: [0, 16] } }, 16),
      withHeader({ a: { dtype: 'F32', shape: [1e300], data_offsets: [0, 16] } }, 16),
      withHeader({ a: { dtype: 'U8', shape: [], data_offsets: [-8, -7] } }, 16),
    ];
    const before = process.memoryUsage().arrayBuffers;
    for (const bytes of lies) {
      expect((await faultOf(async () => openSafetensors(await fileOf(bytes))))[0]).toBe('TRIB_FILE');
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  test.each(['I32', 'BOOL', 'F8_E8M0', 'C64'])(
    'should name a type that it does not read: %s',
    async (dtype) => {
      const path = await fileOf(withHeader({ w: { dtype, shape: [2], data_offsets: [0, 16] } }, 16));
      expect(await faultOf(() => openSafetensors(path))).toEqual([
        'TRIB_FILE',
        `${path} tensor "w": expected F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, U8, got ${dtype}. Save it in one of these, weights as F32 or F16.`,
      ]);
    },
  );

  test('should read floats of eight bits as PyTorch does, every one of them', async () => {
    const file = await openSafetensors('test/fixtures/float8.safetensors');
    for (const dtype of ['F8_E4M3', 'F8_E5M2']) {
      const tensor = await file.read(dtype);
      expect([tensor.dtype, tensor.data.length]).toEqual([dtype, 256]);
      expect(floatValues(tensor)).toEqual((await file.read(`${dtype} as F32`)).data);
    }
    await file.close();
  });

  test('should say that there is no such file', async () => {
    expect(await faultOf(() => openSafetensors('/nowhere/w.safetensors'))).toEqual([
      'TRIB_FILE',
      '/nowhere/w.safetensors: expected a readable safetensors file, got ENOENT. Check the path and its permissions.',
    ]);
  });

  test('should either refuse a damaged file with a fault, or read all of it', async () => {
    const headerBytes = 8 + Number(new DataView(WHOLE.buffer).getBigUint64(0, true));
    const damage = fc.array(fc.tuple(fc.nat(headerBytes - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    const path = await fileOf(WHOLE);
    await fc.assert(
      fc.asyncProperty(damage, async (changes) => {
        const bytes = WHOLE.slice();
        for (const [at, value] of changes) bytes[at] = value;
        await writeFile(path, bytes);
        try {
          const file = await openSafetensors(path);
          for (const [name, record] of file.records) {
            expect((await file.read(name)).data.byteLength).toBe(record.end - record.start);
          }
          await file.close();
        } catch (error) {
          expect(error).toMatchObject({ code: 'TRIB_FILE' });
        }
      }),
      { numRuns: 400 },
    );
  });

  test('should take any JSON for a header, and refuse it with a fault', async () => {
    const path = await fileOf(WHOLE);
    const offsets = fc.tuple(fc.integer(), fc.oneof(fc.integer(), fc.double()));
    const record = fc.record({
      dtype: fc.constantFrom('F64', 'F32', 'F16', 'BF16', 'I64', 'U8', 'F8_E4M3', ''),
      shape: fc.array(fc.oneof(fc.nat(), fc.integer(), fc.double())),
      data_offsets: offsets,
    });
    const key = fc.oneof(
      fc.string(),
      fc.constantFrom('__proto__', 'constructor', '__metadata__', 'toString'),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.dictionary(key, fc.oneof(record, fc.jsonValue())), fc.jsonValue()),
        async (header) => {
          await writeFile(path, withHeader(header, 32));
          const opened = await openSafetensors(path).catch((error: unknown) => error);
          if (opened instanceof Error) expect(opened).toMatchObject({ code: 'TRIB_FILE' });
          else await (opened as Awaited<ReturnType<typeof openSafetensors>>).close();
        },
      ),
      { numRuns: 300 },
    );
  });
});
