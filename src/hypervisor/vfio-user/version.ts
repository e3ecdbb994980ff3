/** The VERSION message: what a client proposes as JSON, and what it is offered in return. */
import { LIMITS, type Rule, VERSION } from './protocol.js';

const decoder = new TextDecoder('utf-8', { fatal: true });

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Capabilities that the client proposes, or null when what it sent is no such thing. */
function proposed(json: Uint8Array): Record<string, unknown> | null {
  if (json.length === 0) return {};
  if (json[json.length - 1] !== 0) return null;
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(json.subarray(0, -1)));
  } catch {
    // Neither UTF-8 nor JSON: the caller refuses it by name.
    return null;
  }
  if (!isRecord(parsed)) return null;
  const capabilities = parsed.capabilities ?? {};
  return isRecord(capabilities) ? capabilities : null;
}

/**
 * Reads the payload of a VERSION message and writes the answer's payload to `out`.
 * @returns bytes written, or the rule that refuses the message
 */
export function answerVersion(payload: Uint8Array, out: Uint8Array, writeMultiple: boolean): number | Rule {
  if (payload.length < 4) return 'message.payload';
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const major = view.getUint16(0, true);
  const minor = view.getUint16(2, true);
  if (major !== VERSION.MAJOR) return 'version.major';
  const theirs = proposed(payload.subarray(4));
  if (theirs === null) return 'version.capabilities';
  // A subset of what was proposed, and no number larger: an answer longer than the question would not fit the buffer that
  // QEMU has for it.
  const ours: Record<string, unknown> = {};
  for (const [name, limit] of Object.entries(LIMITS)) {
    const wish = theirs[name];
    if (wish === undefined) continue;
    if (typeof wish !== 'number' || !Number.isSafeInteger(wish) || wish < 0) return 'version.capabilities';
    if (name === 'pgsizes' && (wish & limit) === 0) return 'version.capabilities';
    ours[name] = Math.min(wish, limit);
  }
  if (theirs.write_multiple === true && writeMultiple) ours.write_multiple = true;
  const answer = new TextEncoder().encode(`${JSON.stringify({ capabilities: ours })}\0`);
  const reply = new DataView(out.buffer, out.byteOffset, out.length);
  reply.setUint16(0, VERSION.MAJOR, true);
  reply.setUint16(2, Math.min(minor, VERSION.MINOR), true);
  out.set(answer, 4);
  return 4 + answer.length;
}
