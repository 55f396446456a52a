/** @file Self-signed X.509 certificates (RFC 5280) for loopback, as DER by hand: Node can read them, but not make them. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

const DAYS_VALID = 365;
const [INTEGER, BITS, OCTETS, TEXT, TIME, SEQUENCE, SET] = [0x02, 0x03, 0x04, 0x0c, 0x17, 0x30, 0x31];
/** A field of a structure that is told by its number. */
const field = (number, isStructure) => 0x80 + (isStructure ? 0x20 : 0) + number;
/** Object identifiers with their tag and length. */
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const ALTERNATIVE_NAMES = Buffer.from('0603551d11', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');

/** A value with its tag and its length. */
function der(tag, ...contents) {
  const body = Buffer.concat(contents.map((content) => Buffer.from(content)));
  if (body.length < 128) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  return Buffer.concat([Buffer.of(tag, 0x82), length, body]);
}

/** `YYMMDDhhmmssZ`. */
const utcTime = (date) => der(TIME, `${date.toISOString().replace(/\D/g, '').slice(2, 14)}Z`);

/** Makes a key and a certificate of it for 127.0.0.1 and localhost, both as PEM. */
export function selfSigned(commonName) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const now = Date.now();
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(TEXT, commonName))));
  const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);
  const names = der(SEQUENCE, der(field(2), 'localhost'), der(field(7), [127, 0, 0, 1]));
  const content = der(
    SEQUENCE,
    // Version 3.
    der(field(0, true), der(INTEGER, [2])),
    // A serial number must be positive.
    der(INTEGER, [1], randomBytes(8)),
    algorithm,
    name,
    der(SEQUENCE, utcTime(new Date(now - 60_000)), utcTime(new Date(now + DAYS_VALID * 86_400_000))),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(field(3, true), der(SEQUENCE, der(SEQUENCE, ALTERNATIVE_NAMES, der(OCTETS, names)))),
  );
  const signature = der(BITS, [0], sign('sha256', content, privateKey));
  const certificate = der(SEQUENCE, content, algorithm, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    certificate: `-----BEGIN CERTIFICATE-----\n${certificate.match(/.{1,64}/g).join('\n')}\n-----END CERTIFICATE-----\n`,
  };
}
