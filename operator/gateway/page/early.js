// Asks for the lobby's tables while the page's script is still on its way; lobbystream.js takes the answer over. A phone sees its
// first table that much sooner.

if (/^(#\/?)?$/.test(location.hash)) {
  const abort = new AbortController();
  const answer = fetch('/v1/lobby/events', { headers: { accept: 'text/event-stream' }, cache: 'no-store', credentials: 'omit', signal: abort.signal });
  // Whoever takes it over sees its error; until then nobody does.
  answer.catch(() => {});
  globalThis.purrEarly = { answer, abort };
}
