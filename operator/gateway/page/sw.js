// The worker behind an installed page. It keeps the page's own files, which never change under their address, and the start
// page for when the network is away. It answers nothing else: what a table, a balance or a hand is comes from the server alone.

const CACHE = 'purr-page-1';
/** Files of one release, and some of the one before. */
const KEPT_MAX = 200;

self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== self.location.origin) return;
  if (pathname.startsWith('/page/')) event.respondWith(file(request));
  else if (pathname === '/' && request.mode === 'navigate') event.respondWith(start(request));
});

/** A file of the page: as it is kept, else from the server. */
async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept !== undefined) return kept;
  const answer = await fetch(request);
  // Only what the server says never changes; a page that is being worked on does.
  if (answer.ok && /\bimmutable\b/.test(answer.headers.get('cache-control') ?? '')) {
    await cache.put(request, answer.clone());
    const keys = await cache.keys();
    await Promise.all(keys.slice(0, Math.max(0, keys.length - KEPT_MAX)).map((key) => cache.delete(key)));
  }
  return answer;
}

/** The start page: from the server, and as it was last where that cannot be reached. It names files and holds no state. */
async function start(request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put('/', answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match('/');
    if (kept !== undefined) return kept;
    throw error;
  }
}
