import { describe, expect, test } from 'vitest';
import { crc32c } from '../../../../src/streams/directory/tensorboard/tf-record.js';

const ascii = (text: string) => new TextEncoder().encode(text);

describe('crc32c', () => {
  test('should agree with the check value of the Castagnoli polynomial', () => {
    expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
  });

  test('should agree with the examples of RFC 3720, B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, index) => 31 - index))).toBe(0x113fdb5c);
  });

  test('should be 0 for no bytes', () => {
    expect(crc32c(new Uint8Array())).toBe(0);
  });
});
