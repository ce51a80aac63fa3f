// SPDX-License-Identifier: MIT
//
// Asking the server (docs/api.md). Answers do not change while it runs, but by
// what is written here, so the latest are kept: going back is instant.

const KEEP = 200;
const kept = new Map();

/** Why no answer came: a title for the reader and the reason. */
class Failure extends Error {
  constructor(title, message, status = 0) {
    super(message);
    this.title = title;
    this.status = status;
  }
}

/** The address of a question; parameters that are null are left out. */
export function address(name, params = {}) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params))
    if (value != null) query.set(key, value);
  const text = query.toString();
  return 'api/' + name + (text && '?' + text);
}

// ---- whether the database is still the one that was opened -----------------
let first = null, tell = null;

/** changed() is called when the file is found to be another. */
export const onChange = changed => { tell = changed; };

function look(headers) {
  const now = headers.get('Headscope-State');
  first ??= now;
  if (headers.get('Headscope-Changed') || (now && now !== first)) tell?.();
}

async function ask(url, options) {
  let reply, answer;
  try {
    reply = await fetch(url, options);
    look(reply.headers);
    answer = await reply.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw reply
      ? new Failure('The server sent no readable answer.', error.message)
      : new Failure('The server does not answer.',
        'Is “headscope view” still running?');
  }
  if (!reply.ok) {
    throw new Failure(
      reply.status === 404 ? 'There is no such thing here.'
        : reply.status === 400 ? 'The address asks for something impossible.'
          : 'The server could not answer.',
      answer.error ?? String(reply.status), reply.status);
  }
  return answer;
}

/** The answer to a question, from memory where it was asked before. */
export async function get(name, params, signal) {
  const url = address(name, params);
  const answer = kept.get(url) ?? await ask(url, { signal });
  kept.delete(url);
  kept.set(url, answer);
  if (kept.size > KEEP) kept.delete(kept.keys().next().value);
  return answer;
}

/** Sends what is to be written; what was answered before may be no longer so. */
async function send(url, type, body) {
  const answer = await ask(url, {
    method: 'POST', headers: { 'Content-Type': type }, body,
  });
  kept.clear();
  return answer;
}

export const post = (name, body) =>
  send(address(name), 'application/json', JSON.stringify(body));

/** The same with a table in place of an object. */
export const postTable = (name, params, csv) =>
  send(address(name, params), 'text/csv', csv);
