import * as z from 'zod';
import { filePath, matching, section } from '../../../fields.js';

/** Credentials have no fields: they come from the environment. */
export const payloads = z
  .discriminatedUnion(
    'type',
    [
      section({
        type: z.literal('folder').describe('Files in a folder, such as a network mount.'),
        folder: filePath('the path of a folder', 'made')
          .default('payloads')
          .describe('Folder of the payload store; every process of the run needs access to it.'),
      }),
      section({
        type: z
          .literal('s3')
          .describe(
            'Objects in a bucket of S3 or a compatible service. Credentials come from the environment variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, if set, AWS_SESSION_TOKEN.',
          ),
        endpoint: matching('an address http(s)://host[:port]', /^https?:\/\/[^\s/?#@]+$/).describe(
          'Address of the service, without the bucket, such as https://s3.eu-central-1.amazonaws.com.',
        ),
        region: matching('a name of letters, digits and hyphens', /^[a-zA-Z0-9-]+$/)
          .default('us-east-1')
          .describe('Region that requests are signed for; most services other than S3 ignore it.'),
        bucket: matching('the name of a bucket', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/).describe(
          'Name of the bucket, which must exist.',
        ),
        keyPrefix: matching('names of letters, digits, . _ - with / between', /^[\w.-]+(\/[\w.-]+)*$/)
          .default('payloads')
          .describe('Prefix of the keys: `<keyPrefix>/<first two digits>/<hash>`.'),
      }),
    ],
    { error: 'a mapping' },
  )
  .prefault({ type: 'folder' })
  .describe(
    'Where large payloads are stored. Tributary never deletes them: have the store expire whatever is older than the retention of the topics.',
  );
