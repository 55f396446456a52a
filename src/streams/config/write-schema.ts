/** @file The program behind `npm run schema`: writes config/topology.schema.json below the working directory. */
import { writeFileSync } from 'node:fs';
import { topologyJsonSchema } from './json-schema.js';

writeFileSync('config/topology.schema.json', topologyJsonSchema());
