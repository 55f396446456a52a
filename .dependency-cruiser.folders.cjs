// Folders form no circles: whoever opens one can say what lies below it. `npm run deps` checks this after the rules of
// .dependency-cruiser.cjs, which see circles of files alone.
const { options } = require('./.dependency-cruiser.cjs');

// The exceptions, each with its reason.
const EXCEPTIONS = [
  // A stage's settings lie with the stage. The config's schema is put together from them, and the stage's work reads the
  // config that the schema describes. The files themselves form no circle.
  '^src/streams/stages/(index|[a-z]+/(settings|surrogate|updates))\\.ts$',
];

module.exports = {
  forbidden: [
    {
      name: 'no-cycles-of-folders',
      severity: 'error',
      scope: 'folder',
      from: {},
      to: { circular: true },
    },
  ],
  options: { ...options, exclude: { path: [options.exclude.path, ...EXCEPTIONS] } },
};
