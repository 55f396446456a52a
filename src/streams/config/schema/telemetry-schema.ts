/** @file The section `telemetry`: what a process says to those who operate it. */

import * as z from 'zod';
import { integer, section, text } from '../../../fields.js';

const http = section({
  host: text('a host name or address')
    .default('127.0.0.1')
    .describe(
      'Address that it listens on. Whoever reaches it can read the figures of the run, unless a token is set.',
    ),
  port: integer(0, 65_535).describe(
    'Port that it listens on, one for each process of a host; 0 picks a free one, which the log reports.',
  ),
  allowHosts: z
    .array(text('a host name'), { error: 'a list of host names' })
    .optional()
    .describe(
      'Further host names that requests may use, such as that of a container; localhost, `host` and IP addresses are always allowed. Default: none.',
    ),
})
  .optional()
  .describe(
    'Where each process of the run answers /health, /ready and /metrics, the last for Prometheus. If the environment variable TRIBUTARY_METRICS_TOKEN is set, /metrics needs that bearer token. Default: nothing is served or counted.',
  );

const traces = z
  .boolean({ error: 'true or false' })
  .default(false)
  .describe(
    'Whether each group is traced from its prompt to the update, by spans of OpenTelemetry, which go where the process is started to send them (docs/operations.md).',
  );

export const telemetry = section({ http, traces })
  .optional()
  .describe(
    'What a process says to those who operate it (docs/operations.md). It may differ from process to process.',
  );
