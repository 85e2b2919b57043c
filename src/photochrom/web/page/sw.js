// Service worker: after the first visit the page needs no network. `photochrom web` writes BUILD and FILES above.

const HEADERS = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(BUILD).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const forget = async () => {
    for (const name of await caches.keys()) if (name.startsWith("photochrom-") && name !== BUILD) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(forget());
});

self.addEventListener("fetch", (event) => {
  if (new URL(event.request.url).origin === location.origin) event.respondWith(answer(event.request));
});

/** From the cache, with the headers that allow threads, even if the host doesn't send them. */
async function answer(request) {
  const known = await caches.match(request, { ignoreSearch: true });
  const found = known ?? (await fetch(request));
  if (!known || !found.body) return found;
  return new Response(found.body, { headers: { ...Object.fromEntries(found.headers), ...HEADERS } });
}
