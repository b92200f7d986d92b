// One upload, from dropped files to the commit; knows no page. Fires "change" whenever something to be shown changed.
//
//   add → check (server: names, sizes, room) → hash (worker) → register → begin → PUT parts → complete → commit
//
// A file's state:
//   checking   the server is asked          waiting    in line to be hashed     hashing
//   queued     in line to be sent           sending    parts are on their way   verifying  the server compares the hash
//   stored     the hub has it               wanted     of an earlier visit: the hub waits for it, this page lacks it
//   refused    the server will not take it  failed     went wrong; can be tried again
import { Hasher } from "./hasher.js";
import { forgetHandles, forgetHash, knownHash, rememberHandles, rememberHash } from "./memory.js";
import { patiently, putBytes, ServerError } from "./server.js";

const LANES = 3;
const CHECK_BATCH = 500;
const BEGIN_BATCH = 40;
const REGISTER_BATCH = 200;
const COMPLETE_BATCH = 40;
// The server reads a large file once more to complete it: a long list of them would outlast a request.
const COMPLETE_BYTES = 2 * 1024 ** 3;
const IN_PARTS_FROM_BYTES = 16 * 1024 ** 2;
const TRIES_PER_URL = 4;
const MAX_RESTARTS = 25;
const GATHER_MS = 250;

export const ACTIVE = new Set(["checking", "waiting", "hashing", "queued", "sending", "verifying"]);

class Unreadable extends Error {}

class Item {
  state = "checking";
  id = null;
  sha256 = "";
  sample = "";
  hashed = 0;
  sent = 0;
  inFlight = new Map();
  error = "";
  isReplacing = false;
  wasStored = false;
  restarts = 0;
  control = new AbortController();

  constructor(path, size, file = null) {
    this.path = path;
    this.size = size;
    this.file = file;
  }

  // Bytes that the server has or that have left for it.
  get arrived() {
    if (this.state === "stored") return this.size;
    let flying = 0;
    for (const loaded of this.inFlight.values()) flying += loaded;
    return Math.min(this.sent + flying, this.size);
  }

  // A new signal: what still runs for the file as it was is stopped.
  renew() {
    this.control.abort(new DOMException("replaced", "AbortError"));
    this.control = new AbortController();
    this.inFlight.clear();
  }
}

export class Uploader extends EventTarget {
  items = new Map();
  draftId = "";
  ignored = [];
  isPaused = false;
  // { error, ms } while the hub does not answer.
  trouble = null;

  #hasher = new Hasher();
  #drafts;
  #revision;
  #adding = Promise.resolve();
  #opening = null;
  #toHash = [];
  #isHashing = false;
  #toRegister = [];
  #registering = null;
  #toBegin = [];
  #beginning = null;
  #tasks = [];
  #lanes = 0;
  #toComplete = [];
  #isCompleting = false;
  #gate = Promise.resolve();
  #openGate = null;
  #pauseControl = new AbortController();

  // words: sentences for what the page itself finds out (unreadable files and the like).
  constructor({ drafts, revision, headOid, words }) {
    super();
    this.#drafts = drafts;
    this.#revision = revision;
    this.headOid = headOid;
    this.words = words;
  }

  get all() {
    return [...this.items.values()];
  }

  // --- an earlier visit ---------------------------------------------------------------------------------------------

  load(draft) {
    this.draftId = draft.id;
    for (const known of [...draft.files].sort((a, b) => (a.path < b.path ? -1 : 1))) {
      const item = new Item(known.path, known.size);
      item.id = known.id;
      item.sha256 = known.sha256;
      item.sent = known.arrivedBytes;
      item.wasStored = known.isStored;
      item.state = known.isStored ? "stored" : "wanted";
      this.items.set(known.path, item);
    }
    this.#changed();
  }

  // --- files come in ------------------------------------------------------------------------------------------------

  // files: [{ path, file }]; handles: what a later visit can open again.
  add(files, handles = []) {
    const items = files.map(({ path, file }) => this.#adopt(path, file)).filter(Boolean);
    this.#changed();
    this.#adding = this.#adding.then(() => this.#welcome(items, handles));
    return this.#adding;
  }

  #adopt(path, file) {
    const known = this.items.get(path);
    if (known?.file && ACTIVE.has(known.state) && known.size === file.size && known.file.lastModified === file.lastModified) {
      return null;
    }
    if (known && known.size === file.size && !["refused", "failed"].includes(known.state)) {
      known.renew();
      known.file = file;
      known.state = "checking";
      return known;
    }
    if (known) this.#drop(known);
    const item = new Item(path, file.size, file);
    this.items.set(path, item);
    return item;
  }

  async #welcome(items, handles) {
    try {
      await this.#check(items);
      const wanted = items.filter((item) => item.state === "checking");
      if (!wanted.length) return;
      await this.#openDraft();
      await rememberHandles(this.draftId, handles);
      await this.#registerNames(wanted.filter((item) => item.id === null));
      for (const item of wanted.filter((item) => item.state === "checking")) {
        item.state = "waiting";
        this.#toHash.push(item);
      }
      this.#toHash.sort((a, b) => a.size - b.size);
      this.#hashAll();
    } catch (error) {
      for (const item of items.filter((item) => item.state === "checking")) this.#fail(item, error);
    } finally {
      this.#changed();
    }
  }

  // What the server refuses is refused before a byte is read.
  async #check(items) {
    const total = this.all.filter((item) => item.state !== "refused").reduce((sum, item) => sum + item.size, 0);
    for (const batch of batches(items, CHECK_BATCH)) {
      const files = batch.map(({ path, size }) => ({ path, size }));
      const answer = await this.#drafts.check(this.#revision, total, files);
      this.headOid = answer.headOid;
      if (answer.problem) throw new ServerError(413, answer.problem);
      answer.files.forEach((found, index) => this.#judge(batch[index], found));
    }
  }

  #judge(item, { problem, isIgnored, isReplacing }) {
    item.isReplacing = isReplacing;
    if (problem) {
      item.state = "refused";
      item.error = problem;
    } else if (isIgnored) {
      this.ignored.push(item.path);
      this.items.delete(item.path);
      item.state = "removed";
    }
  }

  #openDraft() {
    if (this.draftId) return Promise.resolve();
    this.#opening ??= this.#drafts.create(this.#revision).then(
      (draft) => (this.draftId = draft.id),
      (error) => {
        this.#opening = null;
        throw error;
      },
    );
    return this.#opening;
  }

  // Names first, so that a draft left while its files are hashed still knows them all.
  async #registerNames(items) {
    for (const batch of batches(items, REGISTER_BATCH)) {
      const answer = await this.#drafts.register(this.draftId, batch.map(({ path, size }) => ({ path, size })));
      for (const row of answer.files) this.items.get(row.path).id = row.id;
    }
  }

  // --- hashing ------------------------------------------------------------------------------------------------------

  async #hashAll() {
    if (this.#isHashing) return;
    this.#isHashing = true;
    for (let item = this.#toHash.shift(); item; item = this.#toHash.shift()) {
      if (item.state === "waiting") await this.#hash(item);
    }
    this.#isHashing = false;
  }

  async #hash(item) {
    const { file } = item;
    const { signal } = item.control;
    item.state = "hashing";
    item.hashed = 0;
    this.#changed();
    try {
      const known = await knownHash(item.path, file);
      const onProgress = (done) => {
        item.hashed = done;
        this.#changed();
      };
      const found = known ?? (await this.#hasher.hash(file, { signal, onProgress }));
      if (signal.aborted) return;
      if (!known) await rememberHash(item.path, file, found);
      this.#hashed(item, found);
    } catch (error) {
      if (!signal.aborted) this.#fail(item, error instanceof ServerError ? error : new Unreadable());
    }
  }

  #hashed(item, { sha256, sample }) {
    const isKnown = item.sha256 === sha256;
    item.hashed = item.size;
    if (isKnown && item.wasStored) {
      item.state = "stored";
    } else if (isKnown && item.id !== null) {
      this.#enqueue(item);
    } else {
      item.sha256 = sha256;
      item.sample = sample;
      item.state = "queued";
      item.sent = 0;
      this.#toRegister.push(item);
      this.#register();
    }
    this.#changed();
  }

  #register() {
    this.#registering ??= this.#registerAll().finally(() => (this.#registering = null));
  }

  async #registerAll() {
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    while (this.#toRegister.length) {
      const batch = this.#toRegister.splice(0, REGISTER_BATCH).filter((item) => item.state === "queued");
      try {
        const files = batch.map(({ path, size, sha256, sample }) => ({ path, size, sha256, sample }));
        const answer = await this.#drafts.register(this.draftId, files);
        for (const row of answer.files) this.#registered(this.items.get(row.path), row);
      } catch (error) {
        for (const item of batch) this.#fail(item, error);
      }
    }
  }

  #registered(item, row) {
    if (!item || item.state !== "queued") return;
    item.id = row.id;
    if (row.isStored) this.#store(item);
    else this.#enqueue(item);
  }

  // --- sending ------------------------------------------------------------------------------------------------------

  #enqueue(item) {
    item.state = "queued";
    this.#toBegin.push(item);
    this.#pump();
    this.#changed();
  }

  #pump() {
    while (this.#lanes < LANES && (this.#tasks.length || this.#toBegin.length)) {
      this.#lanes++;
      this.#lane().finally(() => {
        this.#lanes--;
        if (this.#tasks.length || this.#toBegin.length) this.#pump();
      });
      // The others have work only once the first has asked for it.
      if (!this.#tasks.length) break;
    }
  }

  async #lane() {
    for (;;) {
      await this.#gate;
      if (!this.#tasks.length && this.#toBegin.length) {
        this.#beginning ??= this.#beginSome().finally(() => (this.#beginning = null));
        await this.#beginning;
        this.#pump();
      }
      const task = this.#tasks.shift();
      if (task) await this.#send(task);
      else if (!this.#toBegin.length) return;
    }
  }

  // A large file by itself, small ones together.
  async #beginSome() {
    const batch = [];
    while (batch.length < BEGIN_BATCH && this.#toBegin.length) {
      const next = this.#toBegin[0];
      if (next.state !== "queued") {
        this.#toBegin.shift();
        continue;
      }
      if (next.size >= IN_PARTS_FROM_BYTES && batch.length) break;
      batch.push(this.#toBegin.shift());
      if (next.size >= IN_PARTS_FROM_BYTES) break;
    }
    if (!batch.length) return;
    try {
      const answer = await this.#drafts.begin(this.draftId, batch.map((item) => item.id));
      const byId = new Map(batch.map((item) => [item.id, item]));
      for (const transfer of answer.files) this.#begun(byId.get(transfer.id), transfer);
    } catch (error) {
      for (const item of batch) this.#fail(item, error);
    }
  }

  #begun(item, { error, status, isStored, url, partSize, parts, storedParts }) {
    if (item.state !== "queued") return;
    if (error) {
      this.#fail(item, new ServerError(status, error));
      return;
    }
    if (isStored) {
      this.#store(item);
      return;
    }
    item.state = "sending";
    item.inFlight.clear();
    const { signal } = item.control;
    const total = partSize ? Math.ceil(item.size / partSize) : 1;
    const sizeOf = (number) => Math.min(partSize, item.size - (number - 1) * partSize);
    const tasks = url
      ? [{ item, signal, url, number: 1, start: 0, size: item.size }]
      : parts.map((part) => {
          const start = (part.number - 1) * partSize;
          return { item, signal, url: part.url, number: part.number, start, size: sizeOf(part.number) };
        });
    item.sent = url ? 0 : storedParts.reduce((sum, number) => sum + sizeOf(number), 0);
    item.left = tasks.length;
    item.hasMore = !url && storedParts.length + parts.length < total;
    this.#tasks.push(...tasks);
    if (!tasks.length) this.#verify(item);
    this.#changed();
  }

  async #send(task) {
    const { item } = task;
    if (task.signal.aborted) return;
    const pause = this.#pauseControl.signal;
    const signal = AbortSignal.any([task.signal, pause]);
    try {
      await this.#put(task, signal);
      this.#sent(task);
    } catch (error) {
      item.inFlight.delete(task.number);
      if (task.signal.aborted) return;
      if (pause.aborted) this.#tasks.unshift(task);
      else if (error instanceof ServerError && error.status !== 413 && error.status !== 507) this.#restart(item, error);
      else this.#fail(item, error);
    }
    this.#changed();
  }

  #put({ item, url, number, start, size }, signal) {
    let tries = 0;
    const onProgress = (loaded) => {
      item.inFlight.set(number, Math.min(loaded, size));
      this.#changed();
    };
    const once = async () => {
      const piece = item.file.slice(start, start + size);
      tries++;
      try {
        await putBytes(url, piece, { signal, onProgress });
      } catch (error) {
        item.inFlight.delete(number);
        await this.#requireReadable(piece, error);
        // A server that refuses early closes the connection, and its words are lost: a new URL tells more.
        if (error.status === 0 && tries >= TRIES_PER_URL) throw new ServerError(410, "");
        throw error;
      }
    };
    return patiently(once, { signal, onWait: this.onWait, also: ({ status }) => status === 409 });
  }

  // A file that was changed or moved fails like the network does; reading it tells the two apart.
  async #requireReadable(piece, error) {
    if (error.status !== 0) return;
    try {
      await piece.slice(0, 1).arrayBuffer();
    } catch {
      throw new Unreadable();
    }
  }

  #sent({ item, number, size }) {
    item.inFlight.delete(number);
    item.sent += size;
    item.left--;
    if (item.left) return;
    if (item.hasMore) this.#enqueue(item);
    else this.#verify(item);
  }

  // Ask again where to send: the URL expired, or the server forgot the transfer. Parts that arrived are kept.
  #restart(item, error) {
    item.restarts++;
    this.#forgetTasks(item);
    if (item.restarts > MAX_RESTARTS) this.#fail(item, error);
    else this.#enqueue(item);
  }

  #forgetTasks(item) {
    item.renew();
    this.#tasks = this.#tasks.filter((task) => task.item !== item);
  }

  // --- completing ---------------------------------------------------------------------------------------------------

  #verify(item) {
    item.state = "verifying";
    this.#toComplete.push(item);
    this.#completeAll();
  }

  async #completeAll() {
    if (this.#isCompleting) return;
    this.#isCompleting = true;
    await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
    while (this.#toComplete.length) await this.#completeSome();
    this.#isCompleting = false;
  }

  async #completeSome() {
    const batch = [];
    let bytes = 0;
    while (this.#toComplete.length && batch.length < COMPLETE_BATCH && (!batch.length || bytes < COMPLETE_BYTES)) {
      const item = this.#toComplete.shift();
      if (item.state === "verifying") batch.push(item);
      bytes += item.size;
    }
    if (!batch.length) return;
    try {
      const answer = await this.#drafts.complete(this.draftId, batch.map((item) => item.id));
      const byId = new Map(batch.map((item) => [item.id, item]));
      for (const row of answer.files) this.#completed(byId.get(row.id), row);
    } catch (error) {
      for (const item of batch) this.#fail(item, error);
    }
    this.#changed();
  }

  #completed(item, { error, status }) {
    if (item.state !== "verifying") return;
    if (!error) {
      this.#store(item);
    } else if (status === 409) {
      // The server still writes a part whose answer was lost.
      setTimeout(() => item.state === "verifying" && this.#verify(item), 1000);
    } else if (item.restarts < 2) {
      this.#restart(item, new ServerError(status, error));
    } else {
      forgetHash(item.path, item.file);
      item.sha256 = "";
      this.#fail(item, new ServerError(status, error));
    }
  }

  #store(item) {
    item.state = "stored";
    item.wasStored = true;
    item.error = "";
    this.#changed();
  }

  // --- what a person does -------------------------------------------------------------------------------------------

  pause() {
    if (this.isPaused) return;
    this.isPaused = true;
    this.#gate = new Promise((resolve) => (this.#openGate = resolve));
    this.#pauseControl.abort(new DOMException("paused", "AbortError"));
    this.#hasher.pause(true);
    this.#changed();
  }

  resume() {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.#pauseControl = new AbortController();
    this.#hasher.pause(false);
    this.#openGate();
    this.#pump();
    this.#changed();
  }

  async remove(items) {
    const ids = items.map((item) => item.id).filter((id) => id !== null);
    for (const item of items) this.#drop(item);
    this.#changed();
    for (const batch of batches(ids, 100)) await this.#drafts.remove(this.draftId, batch);
  }

  #drop(item) {
    item.state = "removed";
    this.#forgetTasks(item);
    this.items.delete(item.path);
  }

  retry(items) {
    const again = items.filter((item) => item.state === "failed" && item.file);
    for (const item of again) {
      item.state = "checking";
      item.error = "";
      item.restarts = 0;
      item.renew();
    }
    this.#changed();
    this.#adding = this.#adding.then(() => this.#welcome(again, []));
    return this.#adding;
  }

  async startOver() {
    const id = this.draftId;
    for (const item of this.all) this.#drop(item);
    this.draftId = "";
    this.#opening = null;
    this.ignored = [];
    this.#changed();
    if (!id) return;
    await forgetHandles(id);
    await this.#drafts.abandon(id);
  }

  // → { commitOid, commitUrl, treeUrl }. The answer to an earlier try may have been lost: then the draft knows.
  async commit(message, description) {
    try {
      const result = await this.#drafts.commit(this.draftId, message, description, this.headOid);
      await forgetHandles(this.draftId);
      return result;
    } catch (error) {
      if (!(error instanceof ServerError) || error.status !== 409) throw error;
      const draft = await this.#drafts.show(this.draftId);
      if (draft.state !== "committed") throw error;
      await forgetHandles(this.draftId);
      return { commitOid: draft.commitOid };
    }
  }

  // Accept what others committed meanwhile; the next commit goes on top of it.
  async catchUp() {
    this.headOid = (await this.#drafts.check(this.#revision, 0, [])).headOid;
  }

  // --- telling ------------------------------------------------------------------------------------------------------

  onWait = (error, ms) => {
    this.trouble = error && error.status !== 409 ? { error, ms } : null;
    this.#changed();
  };

  #fail(item, error) {
    if (item.state === "removed") return;
    this.#forgetTasks(item);
    item.state = "failed";
    item.error = error instanceof Unreadable ? this.words.unreadable : error.message || this.words.noAnswer;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

function* batches(list, size) {
  for (let start = 0; start < list.length; start += size) yield list.slice(start, start + size);
}
