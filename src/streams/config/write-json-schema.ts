/** @file The program behind `npm run schema`: writes config/topology.schema.json, and docs/config.md in words. */
import { writeFileSync } from 'node:fs';
import { configPage } from './config-page.js';
import { topologyJsonSchema } from './schema/topology-schema.js';

writeFileSync('config/topology.schema.json', topologyJsonSchema());
writeFileSync('docs/config.md', configPage());
