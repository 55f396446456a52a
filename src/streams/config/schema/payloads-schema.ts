import { z } from 'zod';
import { section, text } from '../../../fields.js';

const word = (what: string, shape: RegExp) => z.string({ error: what }).regex(shape, { error: what });

/** Where payloads lie that are too large for a record. Credentials have no fields: they come from the environment. */
export const payloads = z
  .discriminatedUnion(
    'type',
    [
      section({
        type: z.literal('folder').describe('Files in a folder, such as a network mount.'),
        folder: text('the path of a folder')
          .default('payloads')
          .describe('Folder of the payload store: one that every process of the run reaches.'),
      }),
      section({
        type: z
          .literal('s3')
          .describe(
            'Objects in a bucket of S3, or of what speaks its language. Credentials come from the environment variables AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where there is one, AWS_SESSION_TOKEN.',
          ),
        endpoint: word('an address http(s)://host[:port]', /^https?:\/\/[^\s/?#@]+$/).describe(
          'Address of the service, without the bucket, such as https://s3.eu-central-1.amazonaws.com.',
        ),
        region: word('a name of letters, digits and hyphens', /^[a-zA-Z0-9-]+$/)
          .default('us-east-1')
          .describe('Region that requests are signed for; services other than S3 mostly ignore it.'),
        bucket: word('the name of a bucket', /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/).describe(
          'Bucket, which must be there.',
        ),
        keyPrefix: word('names of letters, digits, . _ - with / between', /^[\w.-]+(\/[\w.-]+)*$/)
          .default('payloads')
          .describe('What the keys begin with: `<keyPrefix>/<first two digits>/<hash>`.'),
      }),
    ],
    { error: 'a mapping' },
  )
  .prefault({ type: 'folder' })
  .describe(
    'Where large payloads lie. Nothing removes them: let the store expire what is older than the topics keep.',
  );
