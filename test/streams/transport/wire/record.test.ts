import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { createFolderPayloadStore } from '../../../../src/streams/transport/wire/folder-payload-store.js';
import { RECORD_HEADERS, recordCodec } from '../../../../src/streams/transport/wire/record.js';
import { ClaimSchema } from '../../../../src/streams/transport/wire/tributary_pb.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const policy = (size: number) => ({
  version: 3,
  parameters: { a: Float32Array.from({ length: size }, (_, index) => Math.sqrt(index)) },
});

async function fixture() {
  const folder = await temporaryFolder();
  const payloads = createFolderPayloadStore(folder);
  return {
    folder,
    payloads,
    records: recordCodec({ payloads, maxInlineBytes: 1000, maxPayloadBytes: 10_000 }),
  };
}

describe('recordCodec', () => {
  it('should carry small messages inline and large ones by claim', async () => {
    const { folder, records } = await fixture();
    const small = await records.write('policy', policy(100), { run: 'a' });
    expect(small.headers).toEqual({ run: 'a', 'schema-version': '1', payload: 'inline' });
    expect(await readdir(folder)).toEqual([]);
    expect(await records.read('policy', small)).toEqual(policy(100));

    const large = await records.write('policy', policy(1000), {});
    expect(large.headers).toEqual({ 'schema-version': '1', payload: 'claim' });
    expect(large.value.length).toBeLessThan(400);
    expect(await records.read('policy', large)).toEqual(policy(1000));
  });

  it('should take a record without the header payload for an inline one, as others write them', async () => {
    const { records } = await fixture();
    const { value } = await records.write('rewards', { groupId: 'g', round: 1, rewards: [0.5] }, {});
    const headers = { [RECORD_HEADERS.schemaVersion]: '1' };
    expect(await records.read('rewards', { value, headers })).toMatchObject({ rewards: [0.5] });
  });

  const JSON_HEADERS = { 'schema-version': '1', 'content-type': 'application/json' };
  const asBytes = (text: string) => new TextEncoder().encode(text);

  it.each<['feedback' | 'rewards', string, object]>([
    [
      'feedback',
      '{"groupId": "g", "voter": "ann", "ranking": {"pictures": [1, 0]}, "givenAt": 5, "mood": "good"}',
      { groupId: 'g', voter: 'ann', judgment: { ranking: [1, 0] }, givenAt: 5 },
    ],
    [
      'feedback',
      '{"group_id": "g", "voter": "ann", "best": 0, "given_at": 5}',
      { groupId: 'g', voter: 'ann', judgment: { best: 0 }, givenAt: 5 },
    ],
    [
      'rewards',
      '{"groupId": "3-1", "round": 3, "rewards": {"values": [0.5, 1]}}',
      { groupId: '3-1', round: 3, rewards: [0.5, 1] },
    ],
  ])('should read %s as JSON, inline and by claim: %s', async (topic, text, message) => {
    const { records } = await fixture();
    const record = { value: asBytes(text), headers: JSON_HEADERS };
    expect(await records.read(topic, record)).toEqual(message);
    expect(await records.read(topic, await records.claim(record))).toEqual(message);
  });

  it('should write what came as JSON as any other message', async () => {
    const { records } = await fixture();
    const message = { groupId: '3-1', round: 3, rewards: [0.5] };
    const again = await records.write('rewards', message, { ...JSON_HEADERS, run: 'a' });
    expect(again.headers).toEqual({ run: 'a', 'schema-version': '1', payload: 'inline' });
    expect(await records.read('rewards', again)).toEqual(message);
  });

  it.each([
    ['application/json', '{"groupId": "g", "voter": "ann"}', 'feedback judgment: expected best, ranking,'],
    [
      'application/json',
      '{"groupId": "g", "best": -1}',
      'expected a whole message as JSON, got 28 bytes that are none',
    ],
    ['application/json', 'what', 'got 4 bytes that are none'],
    ['text/plain', '{}', 'content-type to say application/x-protobuf or application/json, got text/plain'],
  ])('should refuse %s %s', async (type, text, words) => {
    const { records } = await fixture();
    const headers = { ...JSON_HEADERS, 'content-type': type };
    const [code, message] = await faultOf(() => records.read('feedback', { value: asBytes(text), headers }));
    expect([code, message]).toEqual(['TRIB_MESSAGE', expect.stringContaining(words)]);
  });

  it('should claim the bytes of any record, which is then read as before', async () => {
    const { records, payloads } = await fixture();
    const small = await records.write('policy', policy(100), { run: 'a' });
    const claimed = await records.claim(small);
    expect(claimed.headers).toEqual({ ...small.headers, payload: 'claim' });
    expect(await records.read('policy', claimed)).toEqual(policy(100));
    const nonsense = { value: randomBytes(5000), headers: {} };
    const { uri, size, sha256 } = fromBinary(ClaimSchema, (await records.claim(nonsense)).value);
    const claim = { uri, size: Number(size), sha256: Buffer.from(sha256).toString('hex') };
    expect(Buffer.from(await payloads.get(claim))).toEqual(nonsense.value);
  });

  it('should refuse an inline payload of more bytes than a claim may have', async () => {
    const { records } = await fixture();
    const value = new Uint8Array(10_001);
    const headers = { 'schema-version': '1', payload: 'inline' };
    expect((await faultOf(() => records.read('policy', { value, headers })))[1]).toContain(
      'expected a payload of at most 10000 bytes, got one of 10001',
    );
  });

  it('should refuse other versions, unknown payloads, and claims that do not parse or are too large', async () => {
    const { records } = await fixture();
    const { value, headers } = await records.write('policy', policy(1000), {});
    const faultWith = async (changes: Record<string, string>, bytes: Uint8Array = value) =>
      faultOf(() => records.read('policy', { value: bytes, headers: { ...headers, ...changes } }));
    expect(await faultWith({ 'schema-version': '2' })).toEqual([
      'TRIB_MESSAGE',
      'record of policy: expected schema version 1, got 2. Write it as tributary.proto says.',
    ]);
    expect(await faultOf(() => records.read('policy', { value, headers: {} }))).toEqual([
      'TRIB_MESSAGE',
      'record of policy: expected schema version 1, got no such header. Write it as tributary.proto says.',
    ]);
    expect((await faultWith({ payload: 'zip' }))[1]).toContain('to say inline or claim, got zip');
    expect((await faultWith({}, Uint8Array.of(0x0a, 200)))[1]).toContain('a whole claim, got 2 bytes');
    const vast = create(ClaimSchema, { size: 2n ** 63n, sha256: randomBytes(32) });
    expect((await faultWith({}, toBinary(ClaimSchema, vast)))[1]).toContain('at most 10000 bytes');
  });
});
