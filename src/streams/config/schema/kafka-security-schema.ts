import * as z from 'zod';
import { filePath, oneOf, section, text } from '../../../fields.js';

const caFile = filePath('the path of a file', 'file')
  .optional()
  .describe(
    "PEM file of the authorities that sign the brokers' certificates. Default: the ones that Node trusts.",
  );
const serverName = text('the name of a host')
  .optional()
  .describe(
    "Name that the brokers' certificates must carry. Default: the host in the address, which is right for most clusters.",
  );

export const tls = z
  .discriminatedUnion(
    'mode',
    [
      section({
        mode: z.literal('none').describe('No encryption; only for brokers on a trusted network.'),
      }),
      section({
        mode: z.literal('server').describe('Encrypted; the brokers present certificates.'),
        caFile,
        serverName,
      }),
      section({
        mode: z.literal('mutual').describe('Encrypted; both the brokers and the run present certificates.'),
        certFile: filePath('the path of a file', 'file').describe(
          'PEM file of the certificate that the run presents.',
        ),
        keyFile: filePath('the path of a file', 'file').describe(
          'PEM file of its private key, without a passphrase.',
        ),
        caFile,
        serverName,
      }),
    ],
    { error: 'a mapping' },
  )
  .prefault({ mode: 'none' })
  .describe('How connections to the brokers are encrypted.');

/** User name and password have no fields: they come from the environment. */
export const sasl = section({
  mechanism: oneOf(['none', 'plain', 'scram-sha-256', 'scram-sha-512'])
    .default('none')
    .describe(
      'SASL mechanism; the user name and password come from the environment variables TRIBUTARY_KAFKA_USERNAME and TRIBUTARY_KAFKA_PASSWORD. `plain` sends the password unencrypted: use it only over TLS.',
    ),
})
  .prefault({})
  .describe('How the run authenticates.');
