/**
 * @file Damaged files, as fast-check arbitraries: a whole file with a few changes, so that a reader gets past its first check.
 * What fails shrinks to fewer and smaller changes.
 */
import fc from 'fast-check';

const MOST_CHANGES = 4;

/** Integers at which readers of binary formats go wrong: signs, powers of two, and one beside each. */
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

const byteChange = fc.oneof(
  fc.record({ kind: fc.constant('byte'), at: fc.nat(), byte: fc.nat(255) }),
  fc.record({ kind: fc.constant('bit'), at: fc.nat(), bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('word'), at: fc.nat(), value: fc.constantFrom(...EDGES) }),
  fc.record({ kind: fc.constant('cut'), at: fc.nat() }),
  fc.record({ kind: fc.constant('remove'), at: fc.nat(), length: fc.nat(64) }),
  fc.record({ kind: fc.constant('repeat'), at: fc.nat(), length: fc.nat(64) }),
  fc.record({ kind: fc.constant('insert'), at: fc.nat(), bytes: fc.uint8Array({ maxLength: 16 }) }),
);

function changeBytes(bytes, change) {
  const at = change.at % (bytes.length + 1);
  const next = at + (change.length ?? 0);
  switch (change.kind) {
    case 'byte':
    case 'bit':
    case 'word': {
      if (at >= bytes.length) return bytes;
      const copy = Buffer.from(bytes);
      if (change.kind === 'byte') copy[at] = change.byte;
      else if (change.kind === 'bit') copy[at] ^= 1 << change.bit;
      else if (at + 4 <= copy.length) copy.writeUInt32LE(change.value, at);
      return copy;
    }
    case 'cut':
      return bytes.subarray(0, at);
    case 'remove':
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(next)]);
    case 'repeat':
      return Buffer.concat([bytes.subarray(0, next), bytes.subarray(at)]);
    default:
      return Buffer.concat([bytes.subarray(0, at), change.bytes, bytes.subarray(at)]);
  }
}

/** Bytes of one of the files with one to four changes at random places, or few random bytes alone. */
export function damagedBytes(files) {
  const damaged = fc
    .tuple(fc.constantFrom(...files), fc.array(byteChange, { minLength: 1, maxLength: MOST_CHANGES }))
    .map(([file, changes]) => changes.reduce(changeBytes, Buffer.from(file)));
  return fc.oneof(
    { arbitrary: damaged, weight: 19 },
    { arbitrary: fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)), weight: 1 },
  );
}

/** The same file inside a header of a given length, as safetensors has it: the length follows the damaged header. */
export function damagedSafetensors(files) {
  const parts = files.map((file) => {
    const bytes = Buffer.from(file);
    const end = 8 + Number(bytes.readBigUInt64LE(0));
    return { header: bytes.subarray(8, end), data: bytes.subarray(end) };
  });
  const damaged = fc.constantFrom(...parts).chain(({ header, data }) =>
    damagedJson([header]).map((text) => {
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      return Buffer.concat([length, text, data]);
    }),
  );
  return fc.oneof(damaged, damagedBytes(files));
}

const LONG_TEXT = 'x'.repeat(100_000);
const LONG_LIST = Array.from({ length: 10_000 }, (_, index) => index);
const nested = (depth) => {
  let value = 0;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
};

const jsonValue = fc.oneof(
  fc.constantFrom(
    ...[null, true, false, 0, -0, 1, 2, -1, 0.5, -0.5, 3.7, 1e-320, 1e-9, 1e15, 1e16, 1e30, 1e308, -1e308],
    ...[255, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1_000_000, 100_000_000],
    ...['', ' ', '0', '1', 'NaN', 'Infinity', '-Infinity', 'null', '__proto__', 'constructor', 'toString'],
    ...['..', '../model', '/', 'a\nb', '\u001b[31m', '\u0000', '<b>x</b>', '\ud800', LONG_TEXT],
    ...[[], {}, [null], [0], [-1], ['a'], [[]], [{}], { a: 1 }, { 0: 1 }, LONG_LIST, nested(500)],
  ),
  fc.double(),
  fc.integer(),
  fc.string({ maxLength: 20 }),
);

const jsonChange = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('value'), at: fc.nat(), value: jsonValue }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove'), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('swap'), at: fc.nat(), from: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('add'), at: fc.nat(), key: fc.string(), value: jsonValue }),
  },
);

/** Every value in a document with the container it lies in, the outermost first. */
function slotsOf(root) {
  const slots = [{ container: root, key: 'content' }];
  for (let index = 0; index < slots.length && slots.length < 5_000; index++) {
    const value = slots[index].container[slots[index].key];
    if (typeof value !== 'object' || value === null) continue;
    for (const key of Object.keys(value)) slots.push({ container: value, key });
  }
  return slots;
}

function changeJson(root, change) {
  const slots = slotsOf(root);
  const { container, key } = slots[change.at % slots.length];
  const value = container[key];
  // The same value may be put in twice, or into itself.
  const added = structuredClone(change.value);
  if (change.kind === 'value') container[key] = added;
  else if (change.kind === 'remove') Reflect.deleteProperty(container, key);
  else if (change.kind === 'swap') {
    const other = slots[change.from % slots.length];
    container[key] = structuredClone(other.container[other.key]);
  } else if (Array.isArray(value)) value.push(added);
  else if (typeof value === 'object' && value !== null) value[change.key] = added;
}

/** JSON texts: one of the files with changed values, keys left out or added; sometimes text that is no JSON any more. */
export function damagedJson(files) {
  const texts = files.map((file) => Buffer.from(file).toString('utf8'));
  const damaged = fc
    .tuple(fc.constantFrom(...texts), fc.array(jsonChange, { minLength: 1, maxLength: MOST_CHANGES }))
    .map(([text, changes]) => {
      const root = { content: JSON.parse(text) };
      for (const change of changes) changeJson(root, change);
      return Buffer.from(JSON.stringify(root.content) ?? '');
    });
  return fc.oneof({ arbitrary: damaged, weight: 9 }, { arbitrary: damagedBytes(files), weight: 1 });
}

/** Files of one JSON value a line. */
export function damagedJsonLines(files) {
  const lists = files.map((file) => Buffer.from(file).toString('utf8').split('\n').filter(Boolean));
  const damaged = fc.constantFrom(...lists).chain((lines) =>
    fc.tuple(fc.nat(lines.length - 1), damagedJson(lines)).map(([at, line]) => {
      const texts = lines.map((text) => Buffer.from(`${text}\n`));
      texts[at] = Buffer.concat([line, Buffer.from('\n')]);
      return Buffer.concat(texts);
    }),
  );
  return fc.oneof({ arbitrary: damaged, weight: 9 }, { arbitrary: damagedBytes(files), weight: 1 });
}

/** What stands for a value in YAML, and means something else than it seems, or nothing. */
export const yamlValue = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      'null',
      '~',
      'true',
      'no',
      '-1',
      '0',
      '0.5',
      '1e30',
      '1e999',
      '-1e999',
      '.inf',
      '.nan',
      '0x10',
      '0o7',
    ],
    ...[
      '1_000',
      '100000000',
      '9007199254740993',
      '""',
      '"7"',
      "'",
      '"',
      '[]',
      '{}',
      '[1, 2]',
      '[a, [b]]',
      '{a: 1}',
    ],
    ...[
      '&a 1',
      '*a',
      '*missing',
      '!!str 1',
      '!!float 1',
      '!!set {a}',
      '!unknown x',
      '? a',
      '|',
      '>-',
      '- 1',
      '@',
      '%',
    ],
    ...['2026-01-01', '__proto__', '../x.yaml', '"\\u001b[31m"', `"${'x'.repeat(5_000)}"`, '['.repeat(200)],
  ),
  fc.string({ maxLength: 12 }),
  fc.integer().map(String),
  fc.double().map(String),
);

const lineChange = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('value'), at: fc.nat(), value: yamlValue }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove'), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('repeat'), at: fc.nat(), to: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('indent'), at: fc.nat(), by: fc.constantFrom(-2, 1, 2) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('insert'), at: fc.nat(), value: yamlValue }) },
);

function changeLines(lines, change) {
  const at = change.at % Math.max(1, lines.length);
  const line = lines[at] ?? '';
  switch (change.kind) {
    case 'value':
      return lines.with(at, line.replace(/(:|-)(\s.*)?$/, `$1 ${change.value.replaceAll('$', '$$$$')}`));
    case 'remove':
      return lines.toSpliced(at, 1);
    case 'repeat':
      return lines.toSpliced(change.to % (lines.length + 1), 0, line);
    case 'indent':
      return lines.with(at, change.by < 0 ? line.slice(-change.by) : ' '.repeat(change.by) + line);
    default:
      return lines.toSpliced(at, 0, change.value);
  }
}

/** YAML texts: one of the files with other values, lines left out, repeated, moved or indented otherwise. */
export function damagedYaml(files) {
  // Comments and empty lines take no part, or most changes would change nothing.
  const lists = files.map((file) =>
    Buffer.from(file)
      .toString('utf8')
      .split('\n')
      .map((line) => line.replace(/(^|\s)#.*$/, ''))
      .filter((line) => line.trim() !== ''),
  );
  const damaged = fc
    .tuple(fc.constantFrom(...lists), fc.array(lineChange, { minLength: 1, maxLength: MOST_CHANGES }))
    .map(([lines, changes]) => Buffer.from(`${changes.reduce(changeLines, lines).join('\n')}\n`));
  return fc.oneof({ arbitrary: damaged, weight: 9 }, { arbitrary: damagedBytes(files), weight: 1 });
}
