// What this browser remembers between visits (IndexedDB): hashes of files that have not changed, handles of dropped
// folders. A browser that forbids it loses a convenience, never an upload: every failure reads as "nothing known".

const NAME = "agora-upload";
const KEPT_MS = 30 * 24 * 3600 * 1000;

let database = null;

function opened() {
  database ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("hashes");
      request.result.createObjectStore("handles");
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  return database;
}

async function inStore(name, mode, act) {
  try {
    const store = (await opened()).transaction(name, mode).objectStore(name);
    return await new Promise((resolve, reject) => {
      const request = act(store);
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } catch {
    return undefined;
  }
}

const keyOf = (path, file) => `${path}\n${file.size}\n${file.lastModified}`;

export async function knownHash(path, file) {
  const known = await inStore("hashes", "readonly", (store) => store.get(keyOf(path, file)));
  return known && Date.now() - known.at < KEPT_MS ? known : null;
}

export function rememberHash(path, file, { sha256, sample }) {
  return inStore("hashes", "readwrite", (store) => store.put({ sha256, sample, at: Date.now() }, keyOf(path, file)));
}

export function forgetHash(path, file) {
  return inStore("hashes", "readwrite", (store) => store.delete(keyOf(path, file)));
}

export async function rememberHandles(draftId, handles) {
  if (!handles.length) return;
  const known = await knownHandles(draftId);
  await inStore("handles", "readwrite", (store) => store.put([...known, ...handles], draftId));
}

export async function knownHandles(draftId) {
  return (await inStore("handles", "readonly", (store) => store.get(draftId))) ?? [];
}

export function forgetHandles(draftId) {
  return inStore("handles", "readwrite", (store) => store.delete(draftId));
}
