// SHA-256 of files, piece by piece, off the page's thread: a file of any size costs two pieces of memory.
// In: { id, file } | { id, cancel } | { pause }.  Out: { id, done } | { id, sha256, sample } | { id, error }.
import "../../vendor/hash-wasm/sha256.umd.min.js";

const PIECE_BYTES = 4 * 1024 * 1024;
const SAMPLE_BYTES = 512;

const cancelled = new Set();
const hasher = globalThis.hashwasm.createSHA256();
let gate = Promise.resolve();
let open = null;

function pause(isPaused) {
  if (isPaused && !open) gate = new Promise((resolve) => (open = resolve));
  if (!isPaused && open) {
    open();
    open = null;
  }
}

async function sampleOf(file) {
  const bytes = new Uint8Array(await file.slice(0, SAMPLE_BYTES).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}

async function hash(id, file) {
  const sha256 = (await hasher).init();
  let next = file.slice(0, PIECE_BYTES).arrayBuffer();
  for (let start = 0; start < file.size; start += PIECE_BYTES) {
    const piece = await next;
    await gate;
    if (cancelled.delete(id)) return;
    const after = start + PIECE_BYTES;
    // The disk reads the next piece while this one is hashed.
    next = file.slice(after, after + PIECE_BYTES).arrayBuffer();
    next.catch(() => {});
    sha256.update(new Uint8Array(piece));
    self.postMessage({ id, done: Math.min(after, file.size) });
  }
  self.postMessage({ id, sha256: sha256.digest("hex"), sample: await sampleOf(file) });
}

// One file after another: the hasher has one state.
let queue = Promise.resolve();

self.addEventListener("message", ({ data }) => {
  if ("pause" in data) pause(data.pause);
  else if (data.cancel) cancelled.add(data.id);
  else {
    queue = queue.then(() => hash(data.id, data.file)).catch((error) => self.postMessage({ id: data.id, error: error.name }));
  }
});
