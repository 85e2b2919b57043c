// Service worker: after the first visit the page needs no network. `photochrom web` writes BUILD and FILES above.

const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

self.addEventListener("install", (event) => {
  const fill = (cache) => cache.addAll(FILES.map((path) => new Request(path, { cache: "no-cache" })));
  event.waitUntil(caches.open(BUILD).then(fill).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const isOld = (name) => name.startsWith("photochrom-") && name !== BUILD;
  const forget = (names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(forget).then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  if (new URL(event.request.url).origin === location.origin) event.respondWith(answer(event.request));
});

/** From the cache, with the headers that allow threads, even if the host doesn't send them. */
async function answer(request) {
  const known = await caches.match(request, { ignoreSearch: true });
  if (!known) return fetch(request);
  return new Response(known.body, { headers: { ...Object.fromEntries(known.headers), ...HEADERS } });
}
