// The gateway's API: JSON, problems as errors (RFC 9457).

import { language, t } from './words.js';

/** The gateway understood and said no, or could not be reached (status 0). */
export class Problem extends Error {
  constructor(status, title, detail, retryAfterS = null) {
    super(detail ? `${title}: ${detail}` : title);
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  /** Whether the same request may succeed later. */
  get temporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/**
 * The error of an answer whose JSON is a problem (RFC 9457), or null where it is none: in the server's own English, in other
 * languages by the code in its type.
 */
export function problemOf(status, json, retryAfterS = null) {
  const known = t.problems[json?.type?.split(':').at(-1)];
  if (language !== 'en' && known !== undefined) return new Problem(status, known, null, retryAfterS);
  return new Problem(status, json?.title ?? known ?? t.api.theServerAnswered(status), json?.detail, retryAfterS);
}

/** One request with its answer, in milliseconds. */
const WAIT_MS = 15_000;

async function call(method, path, { token = null, body = null, text = false } = {}) {
  const headers = { accept: text ? '*/*' : 'application/json, application/problem+json' };
  if (token !== null) headers.authorization = `Bearer ${token}`;
  if (body !== null) headers['content-type'] = 'application/json';
  let answer;
  let content;
  try {
    answer = await fetch(path, {
      method,
      headers,
      body: body === null ? null : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(WAIT_MS),
    });
    content = await answer.text();
  } catch {
    throw new Problem(0, t.api.theServerCannotBe);
  }
  if (answer.ok && (text || content === '')) return content;
  let json = null;
  try {
    json = JSON.parse(content);
  } catch {
    if (answer.ok) throw new Problem(502, t.api.theAnswerCannotBe);
  }
  if (answer.ok) return json;
  const retryAfter = Number.parseInt(answer.headers.get('retry-after') ?? '', 10);
  throw problemOf(answer.status, json, Number.isNaN(retryAfter) ? null : retryAfter);
}

function seats({ namespace, name }) {
  return `/v1/fleets/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}/seats`;
}

export const api = {
  nonce: () => call('POST', '/v1/auth/nonce', { body: {} }),
  signIn: (message, signature) => call('POST', '/v1/auth/sign-in', { body: { message, signature } }),
  refresh: (refreshToken) => call('POST', '/v1/auth/refresh', { body: { refreshToken } }),
  logout: (token) => call('POST', '/v1/auth/logout', { token }),
  config: () => call('GET', '/v1/config'),
  tables: (after) => call('GET', `/v1/tables?limit=50${after ? `&after=${encodeURIComponent(after)}` : ''}`),
  table: (uid) => call('GET', `/v1/tables/${encodeURIComponent(uid)}`),
  askSeat: (token, fleet, id, wait) => call('POST', seats(fleet), { token, body: { id, wait } }),
  ownSeat: (token, fleet) => call('GET', seats(fleet), { token }),
  giveSeatBack: (token, fleet) => call('DELETE', seats(fleet), { token }),
  balance: (token) => call('GET', '/v1/balance', { token }),
  withdraw: (token, withdrawal) => call('POST', '/v1/withdrawals', { token, body: withdrawal }),
  limits: (token) => call('GET', '/v1/limits', { token }),
  changeLimits: (token, change) => call('POST', '/v1/limits', { token, body: change }),
  hands: (token, uid, before) =>
    call('GET', `/v1/tables/${encodeURIComponent(uid)}/hands?limit=25${before ? `&before=${before}` : ''}`, { token }),
  own: (token, what, query) => call('GET', `/v1/players/me/${what}?${new URLSearchParams(query)}`, { token }),
  tag: (token, table, hand, tags) => call('POST', '/v1/players/me/tags', { token, body: { table, hand, tags } }),
  seated: (token, uid) => call('GET', `/v1/tables/${encodeURIComponent(uid)}/statistics`, { token }),
  leaders: (token, wanted) => call('GET', `/v1/leaderboard?${new URLSearchParams(wanted)}`, { token }),
  rooms: () => call('GET', '/v1/lobby/statistics'),
  order: (token, uid, what, reason) =>
    call('POST', `/v1/staff/tables/${encodeURIComponent(uid)}/${what}`, { token, body: { reason } }),
  hand: (token, uid, hand) => call('GET', `/v1/tables/${encodeURIComponent(uid)}/hands/${hand}`, { token }),
  cases: (token, state, before) =>
    call('GET', `/v1/integrity/cases?limit=50&state=${state}${before ? `&before=${before}` : ''}`, { token }),
  case: (token, id) => call('GET', `/v1/integrity/cases/${id}`, { token }),
  evidence: (token, id, n) => call('POST', `/v1/integrity/cases/${id}/evidence/${n}`, { token }),
  opinion: (token, id, opinion) => call('POST', `/v1/integrity/cases/${id}/opinions`, { token, body: opinion }),
  handAs: (token, uid, hand, format) =>
    call('GET', `/v1/tables/${encodeURIComponent(uid)}/hands/${hand}?format=${format}`, { token, text: true }),
};
