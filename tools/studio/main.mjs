/** @file Builds the studio's page into `dist/studio/`: a part of `npm run build`. */
import { buildStudio } from './build.mjs';

await buildStudio('dist/studio');
