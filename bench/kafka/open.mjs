/** @file The transport of a run, on topics of its own. */
import { join } from 'node:path';
import { loadTopology } from '../../dist/streams/config/load-topology.js';
import { openTransport } from '../../dist/streams/transport/open-transport.js';

let opened = 0;

export async function configOnKafka({ addresses, folder }, overrides = []) {
  opened += 1;
  return loadTopology('test/chaos/chaos.yaml', [
    'transport.kind=kafka',
    `transport.kafka.brokers=[${addresses}]`,
    `transport.kafka.prefix=bench-${process.pid}-${opened}`,
    `transport.kafka.payloads={type: folder, folder: ${JSON.stringify(join(folder, 'payloads'))}}`,
    ...overrides,
  ]);
}

/** Opens it as a worker does. */
export async function openOnKafka(place, overrides) {
  const config = await configOnKafka(place, overrides);
  const { transport } = await openTransport({ config, trainer: null, warn: (text) => console.error(text) });
  return { config, transport };
}
