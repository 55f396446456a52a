// The architecture as rules: imports point down (cli -> streams -> operators, models), and each big dependency has one home.
const room = (path) => `^src/${path}/`;

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'A cycle has no bottom.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'operators-know-only-rxjs',
      severity: 'error',
      comment: 'Operators take their effects as functions; they never import the rooms that supply them.',
      from: { path: room('operators') },
      to: { path: '^src/(models|streams|server|cli|library|api)/' },
    },
    {
      name: 'operators-have-no-io',
      severity: 'error',
      comment: 'No I/O, no clock: only rxjs, and the description of their settings.',
      from: { path: room('operators') },
      to: { dependencyTypes: ['core', 'npm'], pathNot: 'node_modules/(rxjs|zod)/' },
    },
    {
      name: 'models-know-nothing-of-streams',
      severity: 'error',
      comment: 'Everything numeric can be used without a stream.',
      from: { path: room('models') },
      to: { path: '^src/(operators|streams|server|cli|library|api)/' },
    },
    {
      name: 'models-without-rxjs',
      severity: 'error',
      from: { path: room('models') },
      to: { path: 'node_modules/rxjs/' },
    },
    {
      name: 'streams-below-cli-library-and-api',
      severity: 'error',
      from: { path: room('streams') },
      to: { path: '^src/(cli|library|api)/' },
    },
    {
      name: 'api-below-cli',
      severity: 'error',
      from: { path: room('api') },
      to: { path: '^src/(cli|library)/' },
    },
    {
      name: 'server-knows-none-of-its-routes',
      severity: 'error',
      comment: 'Streams and api add what they serve.',
      from: { path: room('server') },
      to: { path: '^src/(operators|models|streams|cli|library|api)/' },
    },
    {
      name: 'one-home-for-fastify',
      severity: 'error',
      comment: 'Every server has the same checks.',
      from: { path: '^src/', pathNot: '^src/server/' },
      to: { path: 'node_modules/(fastify|@fastify)' },
    },
    {
      name: 'nobody-imports-the-studio',
      severity: 'error',
      comment: 'It is a page: it runs in browsers, and is served as files.',
      from: { path: '^src/', pathNot: room('studio') },
      to: { path: room('studio') },
    },
    {
      name: 'one-home-for-onnxruntime',
      severity: 'error',
      comment: 'A second engine must be able to stand beside it.',
      from: { path: '^src/', pathNot: '^src/models/engines/onnxruntime/' },
      to: { path: 'node_modules/onnxruntime' },
    },
    {
      name: 'one-home-for-tfjs',
      severity: 'error',
      comment: 'Its packages are optional: everything else works without them.',
      from: { path: '^src/', pathNot: '^src/models/engines/tfjs/' },
      to: { path: 'node_modules/@tensorflow' },
    },
    {
      name: 'one-home-for-opentelemetry',
      severity: 'error',
      comment: 'Its packages are optional: a run that nobody scrapes does without.',
      from: { path: '^src/', pathNot: '^src/streams/telemetry/' },
      to: { path: 'node_modules/@opentelemetry' },
    },
    {
      name: 'one-home-for-the-kafka-client',
      severity: 'error',
      comment: 'Another client must be able to take its place.',
      from: { path: '^src/', pathNot: '^src/streams/transport/kafka/kafkajs/client.ts$' },
      to: { path: 'node_modules/kafkajs' },
    },
    {
      name: 'one-home-for-the-hub-client',
      severity: 'error',
      comment:
        'It is loaded where a model is fetched or an adapter pushed; everything else works without it.',
      from: { path: '^src/', pathNot: '^src/models/hub/(hub-client|push-files).ts$' },
      to: { path: 'node_modules/@huggingface/hub' },
    },
    {
      name: 'no-test-code-in-source',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'declared-dependencies-only',
      severity: 'error',
      comment:
        'TensorFlow.js and OpenTelemetry are optional peers, and for the tests development dependencies. The studio is shipped built.',
      from: { path: '^src/', pathNot: room('studio') },
      to: {
        pathNot: 'node_modules/@(tensorflow|opentelemetry)',
        dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // The parser reads no JSX.
    exclude: { path: '[.]tsx$' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
