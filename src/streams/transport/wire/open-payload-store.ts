import { TributaryError } from '../../../errors.js';
import type { ResolvedConfig } from '../../config/schema/topology-schema.js';
import { createFolderPayloadStore } from './folder-payload-store.js';
import type { PayloadStore } from './payload-store.js';
import { createS3PayloadStore } from './s3-payload-store.js';

/**
 * Opens the payload store that a config names.
 *
 * Errors: TRIB_CONFIG if an environment variable is not set; it names the variable.
 */
export function openPayloadStore(
  payloads: ResolvedConfig['transport']['kafka']['payloads'],
  env: Readonly<Record<string, string | undefined>>,
): PayloadStore {
  if (payloads.type === 'folder') return createFolderPayloadStore(payloads.folder);
  const { endpoint, region, bucket, keyPrefix } = payloads;
  const sessionToken = env.AWS_SESSION_TOKEN;
  const credentials = {
    accessKeyId: secretOf('AWS_ACCESS_KEY_ID', env),
    secretAccessKey: secretOf('AWS_SECRET_ACCESS_KEY', env),
    ...(sessionToken ? { sessionToken } : {}),
  };
  return createS3PayloadStore({ endpoint, region, bucket, keyPrefix, credentials });
}

function secretOf(name: string, env: Readonly<Record<string, string | undefined>>): string {
  const value = env[name];
  if (value) return value;
  throw new TributaryError(
    'TRIB_CONFIG',
    `environment ${name}: expected a credential for transport.kafka.payloads of type s3, got ${value === '' ? 'an empty value' : 'nothing'}. Set it, or choose type: folder.`,
  );
}
