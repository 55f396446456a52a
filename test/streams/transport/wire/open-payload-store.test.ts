import { describe, expect, it } from 'vitest';
import { openPayloadStore } from '../../../../src/streams/transport/wire/open-payload-store.js';
import { faultOf } from '../../../fixtures/fault-of.js';
import { S3_OWNER, startS3Server } from '../../../fixtures/s3-server.js';
import { temporaryFolder } from '../../../fixtures/temporary-folder.js';

const bytes = Uint8Array.of(1, 2, 3);

describe('openPayloadStore', () => {
  it('should open a folder', async () => {
    const store = openPayloadStore({ type: 'folder', folder: await temporaryFolder() }, {});
    expect((await store.put(bytes)).uri).toMatch(/^file:/);
  });

  it('should open a bucket with the credentials of the environment, and name those that are missing', async () => {
    const { endpoint } = await startS3Server();
    const { region, accessKeyId, secretAccessKey } = S3_OWNER;
    const payloads = { type: 's3', endpoint, region, bucket: 'bucket', keyPrefix: 'payloads' } as const;
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    expect((await openPayloadStore(payloads, env).put(bytes)).uri).toMatch(/^s3:\/\/bucket\/payloads\//);
    expect(await faultOf(() => openPayloadStore(payloads, { ...env, AWS_SECRET_ACCESS_KEY: '' }))).toEqual([
      'TRIB_CONFIG',
      'environment AWS_SECRET_ACCESS_KEY: expected a credential for transport.kafka.payloads of type s3, got an empty value. Set it, or choose type: folder.',
    ]);
  });
});
