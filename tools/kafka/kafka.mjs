/**
 * @file A real Apache Kafka on loopback, without Docker: `npm run kafka:up`, `npm run kafka:down`.
 *
 *     node tools/kafka/kafka.mjs up [--port 9092] [--nodes 3] [--folder .cache/kafka] | restart | down | status
 *
 * Takes the jars from Maven Central (mvn, and Java 17 or newer), checks each against jars.sha256, formats a KRaft cluster
 * and starts it in the background. `up` prints the addresses of the brokers and is done once they answer; what is up stays
 * up. `restart` starts the nodes that have died, with their data. Data and logs lie in the folder, and `down` removes the data. cluster.json there says what else a test needs: the
 * ports of the listeners with TLS and SASL, and who may enter (security.mjs).
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { makeKeys, SECURE_LISTENERS, scramArguments, secureProperties } from './security.mjs';

const HERE = import.meta.dirname;
const PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
const SECONDS_TO_START = 180;
// Any 16 bytes in base64url; every node of a cluster must have the same.
const CLUSTER = 'dHJpYnV0YXJ5LXRlc3RzMQ';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    nodes: { type: 'string', default: '1' },
    // Of the first broker; the others take the next ones. By default any that are free.
    port: { type: 'string' },
    folder: { type: 'string', default: '.cache/kafka' },
    // Writes jars.sha256 anew, after a change of the version in pom.xml.
    pin: { type: 'boolean', default: false },
  },
});
const folder = resolve(values.folder);
const lib = join(folder, 'lib');
const stateFile = join(folder, 'cluster.json');
const keys = join(folder, 'keys');

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

async function sha256Of(path) {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Fetches the jars unless the ones that are pinned are there. */
async function fetchJars() {
  const pinned = new Map(
    (await readFile(join(HERE, 'jars.sha256'), 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('  ').reverse()),
  );
  const wrong = async () => {
    const names = (await readdir(lib).catch(() => [])).sort();
    const faults = [];
    for (const name of new Set([...pinned.keys(), ...names]))
      if (!names.includes(name)) faults.push(`${name} is missing`);
      else if ((await sha256Of(join(lib, name))) !== pinned.get(name)) faults.push(`${name} is another`);
    return faults;
  };
  if (!values.pin && (await wrong()).length === 0) return;
  await rm(lib, { recursive: true, force: true });
  const arguments_ = ['-B', '-q', '-C', '-f', join(HERE, 'pom.xml'), PLUGIN, `-DoutputDirectory=${lib}`];
  // Standard output is for the addresses alone.
  const { status, error } = spawnSync('mvn', arguments_, { stdio: ['ignore', 2, 2] });
  if (status !== 0)
    fail(`mvn: expected the jars of tools/kafka/pom.xml, got ${error?.message ?? `exit ${status}`}.`);
  if (values.pin) {
    const names = (await readdir(lib)).sort();
    const lines = await Promise.all(
      names.map(async (name) => `${await sha256Of(join(lib, name))}  ${name}\n`),
    );
    await writeFile(join(HERE, 'jars.sha256'), lines.join(''));
  }
  const faults = values.pin ? [] : await wrong();
  if (faults.length > 0) fail(`${lib}: expected the jars of jars.sha256, but ${faults.join(', ')}.`);
}

/** The wanted ports, and others that are free now, all held at once: one that was let go may well be given out again. */
async function freePorts(wanted, count) {
  const servers = await Promise.all(
    [...wanted, ...Array(count).fill(0)].map(
      (port) =>
        new Promise((listening) => {
          const server = createServer().on('error', ({ code }) =>
            fail(
              `--port: expected a free port of 127.0.0.1, got ${port} (${code}). Choose another, or stop what listens there.`,
            ),
          );
          server.listen(port, '127.0.0.1', () => listening(server));
        }),
    ),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

function properties({ id, port, controllerPort, securePorts }, nodes) {
  const replicas = Math.min(3, nodes.length);
  const secure = Object.entries(securePorts).map(
    ([kind, securePort]) => `${kind.toUpperCase()}://127.0.0.1:${securePort}`,
  );
  const protocols = Object.entries(SECURE_LISTENERS).map(
    ([kind, protocol]) => `${kind.toUpperCase()}:${protocol}`,
  );
  const open = [`PLAINTEXT://127.0.0.1:${port}`, ...secure].join(',');
  return `process.roles=broker,controller
node.id=${id}
controller.quorum.voters=${nodes.map((node) => `${node.id}@127.0.0.1:${node.controllerPort}`).join(',')}
listeners=${open},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=${open}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,${protocols.join(',')}
log.dirs=${join(folder, `node-${id}`)}
num.partitions=1
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=${replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=${replicas}
transaction.state.log.min.isr=${Math.max(1, replicas - 1)}
share.coordinator.state.topic.replication.factor=${replicas}
share.coordinator.state.topic.min.isr=${Math.max(1, replicas - 1)}
group.initial.rebalance.delay.ms=0
message.max.bytes=8388608
replica.fetch.max.bytes=8388608
${secureProperties(keys)}`;
}

async function java(arguments_, logPath) {
  const log = await open(logPath, 'a');
  const jvm = [
    '-Xmx512m',
    // Else each of the broker's threads keeps a buffer as large as the largest record that it has ever seen.
    '-Djdk.nio.maxCachedBufferSize=1000000',
    '-XX:+UseSerialGC',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-cp',
    join(lib, '*'),
  ];
  const child = spawn('java', [...jvm, ...arguments_], { detached: true, stdio: ['ignore', log.fd, log.fd] });
  return { child, log };
}

async function startNode(node) {
  const logPath = join(folder, `node-${node.id}.log`);
  const broker = await java(['kafka.Kafka', join(folder, `node-${node.id}.properties`)], logPath);
  broker.child.unref();
  await broker.log.close();
  return { ...node, pid: broker.child.pid };
}

async function formatNode(node, nodes) {
  const config = join(folder, `node-${node.id}.properties`);
  const logPath = join(folder, `node-${node.id}.log`);
  await writeFile(config, properties(node, nodes));
  const formatting = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER, '-c', config, ...scramArguments];
  const format = await java(formatting, logPath);
  const code = await new Promise((done) => format.child.on('close', done).on('error', () => done(-1)));
  await format.log.close();
  if (code !== 0) fail(`java: expected storage to be formatted, got exit ${code}. Read ${logPath}.`);
}

async function answers(port) {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true));
    socket.on('error', () => done(false)).on('connect', () => socket.destroy());
  });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function readState() {
  return JSON.parse(await readFile(stateFile, 'utf8').catch(() => 'null'));
}

const brokersOf = (nodes) => nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');

/** The ports that were asked for; none where any will do. */
function wantedPorts(count) {
  if (values.port === undefined) return [];
  const first = Number(values.port);
  if (!/^\d+$/.test(values.port) || first < 1 || first + count > 65_536)
    fail(`--port: expected a number from 1 to ${65_536 - count}, got ${values.port}.`);
  return Array.from({ length: count }, (_, index) => first + index);
}

async function up() {
  const count = Number(values.nodes);
  if (![1, 3].includes(count)) fail(`--nodes: expected 1 or 3, got ${values.nodes}.`);
  const wanted = wantedPorts(count);
  const running = await readState();
  if (running?.nodes.every(({ pid }) => isAlive(pid))) {
    if (running.nodes.length !== count)
      fail(
        `${folder}: expected ${count} nodes, got a cluster of ${running.nodes.length}. Take it down first.`,
      );
    if (wanted.some((port, index) => port !== running.nodes[index].port))
      fail(
        `--port: expected ${wanted[0]} to be free for a cluster, got one that is up at ${brokersOf(running.nodes)}. Use that, or take it down first.`,
      );
    return console.log(brokersOf(running.nodes));
  }
  if (running) await down();
  const kinds = Object.keys(SECURE_LISTENERS);
  const others = count * (1 + kinds.length);
  const ports = await freePorts(wanted, wanted.length === 0 ? others + count : others);
  await mkdir(folder, { recursive: true });
  await fetchJars();
  const security = await makeKeys(keys).catch((error) => fail(error.message));
  const first = ports.splice(0, count);
  const planned = first.map((port, index) => {
    const [controllerPort, ...secured] = ports.splice(0, 1 + kinds.length);
    const securePorts = Object.fromEntries(kinds.map((kind, place) => [kind, secured[place]]));
    return { id: index + 1, port, controllerPort, securePorts };
  });
  const nodes = [];
  for (const node of planned) {
    await formatNode(node, planned);
    nodes.push(await startNode(node));
    await writeFile(stateFile, JSON.stringify({ nodes, security }));
  }
  await waitFor(nodes);
  console.log(brokersOf(nodes));
}

async function restart() {
  const state = await readState();
  if (!state) fail(`${folder}: expected a cluster, got none. Start one with up.`);
  const nodes = [];
  // One that was killed may be in the table of processes for a while, but it does not answer.
  for (const node of state.nodes) nodes.push((await answers(node.port)) ? node : await startNode(node));
  await writeFile(stateFile, JSON.stringify({ ...state, nodes }));
  await waitFor(nodes);
  console.log(brokersOf(nodes));
}

async function waitFor(nodes) {
  const deadline = Date.now() + SECONDS_TO_START * 1000;
  for (const { id, pid, port } of nodes)
    while (!(await answers(port))) {
      if (!isAlive(pid) || Date.now() > deadline)
        fail(
          `broker ${id}: expected it to answer within ${SECONDS_TO_START} s. Read ${join(folder, `node-${id}.log`)}.`,
        );
      await wait(200);
    }
}

async function down() {
  const state = await readState();
  for (const { pid } of state?.nodes ?? []) if (isAlive(pid)) process.kill(pid, 'SIGKILL');
  for (const { id, pid } of state?.nodes ?? []) {
    while (isAlive(pid)) await wait(50);
    await rm(join(folder, `node-${id}`), { recursive: true, force: true });
    await rm(join(folder, `node-${id}.log`), { force: true });
  }
  await rm(keys, { recursive: true, force: true });
  await rm(stateFile, { force: true });
}

async function status() {
  const state = await readState();
  const isUp = state?.nodes.every(({ pid }) => isAlive(pid)) ?? false;
  console.log(isUp ? brokersOf(state.nodes) : 'down');
  if (!isUp) process.exitCode = 1;
}

const commands = { up, restart, down, status };
const command = commands[positionals[0]];
if (!command) fail(`kafka.mjs: expected up, restart, down or status, got "${positionals[0] ?? ''}".`);
await command();
