// The upload page: what the reader does goes to the uploader, what changes there is drawn, at most once a frame.
import { announce } from "../announce.js";
import { fromDrop, fromHandles, fromInput, placed } from "./entries.js";
import { knownHandles } from "./memory.js";
import { Rate } from "./rate.js";
import { Rows } from "./rows.js";
import { Drafts, getJson, ServerError } from "./server.js";
import { ACTIVE, Uploader } from "./uploader.js";
import { bytesText, durationText, fill } from "./words.js";

const ANNOUNCE_EVERY_MS = 15_000;
const LONGEST_LIST = 5;
const INSPECTION_TRIES = 40;
const INSPECTION_EVERY_MS = 1500;

const byId = (id) => document.getElementById(id);
const boot = JSON.parse(byId("upload-boot").textContent);
const { words } = boot;

const parts = {
  page: byId("upload"),
  drop: byId("upload-drop"),
  files: byId("upload-files"),
  pickFiles: byId("upload-pick-files"),
  pickFolder: byId("upload-pick-folder"),
  folder: byId("upload-folder"),
  keep: byId("upload-keep-folder"),
  resume: byId("upload-resume"),
  notes: byId("upload-notes"),
  overall: byId("upload-overall"),
  title: byId("upload-files-title"),
  commit: byId("upload-commit"),
  message: byId("id_message"),
  description: byId("id_description"),
  submit: byId("upload-submit"),
  commitState: byId("upload-commit-state"),
  error: byId("upload-error"),
  work: byId("upload-work"),
  done: byId("upload-done"),
};

const drafts = new Drafts(boot.draftsUrl, { onWait: (error, ms) => uploader.onWait(error, ms) });
const uploader = new Uploader({ drafts, revision: boot.revision, headOid: boot.headOid, words });
const rows = new Rows({
  list: byId("upload-list"),
  more: byId("upload-more"),
  template: byId("upload-row"),
  words,
  onRemove: (path) => act(uploader.remove([uploader.items.get(path)])),
  onRetry: (path) => uploader.retry([uploader.items.get(path)]),
});
const rate = new Rate();
let commitsWhenDone = false;
let isCommitting = false;
let handles = [];
let leftOut = [];
let unreadable = [];

// --- counting ---------------------------------------------------------------------------------------------------------

function counted() {
  const count = { total: 0, stored: 0, active: 0, failed: 0, refused: 0, wanted: 0, bytes: 0, arrived: 0, hashing: 0, hashed: 0 };
  for (const item of uploader.items.values()) {
    if (item.state === "refused") {
      count.refused++;
      continue;
    }
    count.total++;
    count.bytes += item.size;
    count.arrived += item.arrived;
    if (ACTIVE.has(item.state)) count.active++;
    else count[item.state]++;
    if (item.state === "hashing" || item.state === "waiting") count.hashing++;
  }
  count.isComplete = count.total > 0 && count.stored === count.total;
  return count;
}

// --- drawing ----------------------------------------------------------------------------------------------------------

let isDrawDue = false;

function drawSoon() {
  if (isDrawDue) return;
  isDrawDue = true;
  // A page in the background gets no frames, but its upload goes on and its commit may be due.
  const draws = () => {
    isDrawDue = false;
    draw();
  };
  if (document.hidden) setTimeout(draws, 250);
  else requestAnimationFrame(draws);
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function draw() {
  const count = counted();
  const hasFiles = uploader.items.size > 0;
  parts.page.dataset.phase = phaseOf(count);
  parts.files.hidden = !hasFiles;
  rows.draw(uploader.all, uploader.isPaused);
  drawOverall(count);
  drawNotes();
  drawCommit(count, hasFiles);
  drawResume(count);
  if (commitsWhenDone && count.isComplete) commit();
}

function phaseOf(count) {
  if (!uploader.items.size) return "empty";
  if (uploader.isPaused && count.active) return "paused";
  if (count.active) return "working";
  if (count.failed) return "failed";
  return count.isComplete ? "ready" : "waiting";
}

function overallText(count) {
  if (uploader.trouble) return fill(navigator.onLine ? words.retrying : words.offline, {});
  if (uploader.isPaused && count.active) return words.paused;
  const amount = fill(words.amount, { done: bytesText(count.arrived), total: bytesText(count.bytes) });
  if (!count.active) return amount;
  const left = rate.secondsFor(count.bytes - count.arrived);
  if (left === null || count.arrived === count.bytes) return count.hashing && !count.arrived ? words.hashingAll : amount;
  return fill(words.speed, { amount, speed: bytesText(rate.bytesPerS), left: durationText(left) });
}

function drawOverall(count) {
  const label = fill(words.filesHere, { here: count.stored, total: count.total });
  setText(parts.overall.querySelector(".progress__label"), label);
  setText(parts.overall.querySelector(".progress__text"), overallText(count));
  const bar = parts.overall.querySelector("progress");
  bar.max = Math.max(count.bytes, 1);
  bar.value = count.isComplete ? bar.max : count.arrived;
  setText(parts.title, words.filesTitle);
  byId("upload-pause").hidden = uploader.isPaused || !count.active;
  byId("upload-go-on").hidden = !uploader.isPaused;
  byId("upload-retry-all").hidden = !count.failed;
  byId("upload-drop-missing").hidden = !count.wanted || count.active > 0;
}

function listed(paths) {
  const first = paths.slice(0, LONGEST_LIST).join(", ");
  return paths.length > LONGEST_LIST ? fill(words.andMore, { list: first, count: paths.length - LONGEST_LIST }) : first;
}

function drawNotes() {
  const notes = [];
  if (leftOut.length) notes.push(fill(words.leftOut, { list: listed(leftOut) }));
  if (uploader.ignored.length) notes.push(fill(words.ignored, { list: listed(uploader.ignored) }));
  if (unreadable.length) notes.push(fill(words.unreadableList, { list: listed(unreadable) }));
  parts.notes.hidden = !notes.length;
  setText(parts.notes.querySelector("[data-text]"), notes.join(" "));
}

function drawCommit(count, hasFiles) {
  parts.commit.hidden = !hasFiles;
  parts.message.placeholder = defaultMessage(count);
  parts.submit.setAttribute("aria-busy", String(isCommitting));
  setText(parts.commitState, commitText(count));
}

function commitText(count) {
  if (isCommitting) return words.committing;
  if (count.isComplete) return fill(words.readyToCommit, { count: count.total });
  if (count.failed) return fill(words.someFailed, { count: count.failed });
  if (count.wanted && !count.active) return fill(words.someWanted, { count: count.wanted });
  return commitsWhenDone ? words.commitsWhenDone : words.notYet;
}

function defaultMessage(count) {
  const { all } = uploader;
  if (all.length === 1) return fill(words.addOne, { path: all[0].path });
  return fill(words.addMany, { count: count.total });
}

function drawResume(count) {
  const isWaiting = count.wanted > 0 && !count.active;
  const isOver = uploader.draftId !== boot.draftId || (!isWaiting && count.active > 0);
  if (parts.resume.hidden || !isOver) return;
  parts.resume.hidden = true;
}

// --- earlier uploads ----------------------------------------------------------------------------------------------------

async function offerResume() {
  if (!boot.draftId) return;
  const draft = await drafts.show(boot.draftId);
  if (draft.state !== "open" || !draft.files.length) return;
  uploader.load(draft);
  handles = await knownHandles(draft.id);
  const here = draft.files.filter((file) => file.isStored).length;
  const arrived = draft.files.reduce((sum, file) => sum + file.arrivedBytes, 0);
  const total = draft.files.reduce((sum, file) => sum + file.size, 0);
  const isComplete = here === draft.files.length;
  setText(
    parts.resume.querySelector("[data-title]"),
    fill(words.resumeTitle, { here, total: draft.files.length, done: bytesText(arrived), bytes: bytesText(total) }),
  );
  setText(parts.resume.querySelector("[data-text]"), isComplete ? words.resumeComplete : handles.length ? words.resumeHandles : words.resumeDrop);
  byId("upload-continue").hidden = isComplete || !handles.length;
  parts.resume.hidden = false;
}

// One click opens the folders of the last visit again; the browser may ask for leave first.
async function continueUpload() {
  const allowed = [];
  for (const handle of handles) {
    const mode = { mode: "read" };
    if ((await handle.queryPermission?.(mode)) === "granted" || (await handle.requestPermission?.(mode)) === "granted") {
      allowed.push(handle);
    }
  }
  if (!allowed.length) {
    showError(words.noLeave);
    return;
  }
  take(await fromHandles(allowed), []);
}

// A dropped folder is matched to the draft by path: where it was put the last time is found again.
function placedLikeBefore(files) {
  const options = { keepsFolder: parts.keep.checked, folder: cleanFolder(parts.folder.value) };
  const choices = [options, { ...options, keepsFolder: !options.keepsFolder }];
  const score = (choice) => placed(files, choice).filter(({ path }) => uploader.items.get(path)?.state === "wanted").length;
  return placed(files, score(choices[1]) > score(choices[0]) ? choices[1] : choices[0]);
}

// --- what the reader does ---------------------------------------------------------------------------------------------

function cleanFolder(text) {
  return text.split("/").map((part) => part.trim()).filter(Boolean).join("/");
}

function take(found, newHandles) {
  showError("");
  leftOut = found.leftOut;
  unreadable = found.unreadable;
  if (!found.files.length) {
    drawSoon();
    announce(words.nothingFound);
    showError(words.nothingFound);
    return;
  }
  rate.forget();
  announce(fill(words.added, { count: found.files.length }));
  const files = placedLikeBefore(found.files).sort((a, b) => (a.path < b.path ? -1 : 1));
  act(uploader.add(files, newHandles));
}

// Background work whose failure is shown rather than thrown into the void.
async function act(promise) {
  try {
    await promise;
  } catch (error) {
    showError(errorText(error));
  }
}

function errorText(error) {
  if (!(error instanceof ServerError)) throw error;
  if (error.status === 0) return words.noAnswer;
  if (error.status === 401) return words.signedOut;
  return error.message || words.noAnswer;
}

function showError(text, action = "") {
  parts.error.hidden = !text;
  setText(parts.error.querySelector("[data-text]"), text);
  byId("upload-commit-anyway").hidden = action !== "anyway";
  if (text) parts.error.scrollIntoView({ block: "nearest" });
}

async function commit() {
  if (isCommitting) return;
  const count = counted();
  if (!count.isComplete) {
    commitsWhenDone = count.active > 0;
    drawSoon();
    announce(commitText(count));
    return;
  }
  commitsWhenDone = false;
  isCommitting = true;
  showError("");
  drawSoon();
  try {
    const message = parts.message.value.trim() || defaultMessage(count);
    showDone(await uploader.commit(message, parts.description.value), count);
  } catch (error) {
    const isStale = error.status === 412;
    showError(`${errorText(error)} ${isStale ? words.stale : words.nothingLost}`, isStale ? "anyway" : "");
  } finally {
    isCommitting = false;
    drawSoon();
  }
}

async function commitAnyway() {
  await act(uploader.catchUp());
  await commit();
}

// --- afterwards ---------------------------------------------------------------------------------------------------------

function showDone({ commitOid }, count) {
  parts.work.hidden = true;
  parts.resume.hidden = true;
  parts.done.hidden = false;
  parts.page.dataset.phase = "done";
  setText(byId("upload-done-text"), fill(words.doneText, { count: count.total, size: bytesText(count.bytes), oid: commitOid.slice(0, 8) }));
  byId("upload-done-commit").href = `${boot.repoUrl}/commit/${commitOid}`;
  byId("upload-done-title").focus();
  announce(words.doneTitle);
  showInspection(commitOid);
}

// Inspection runs after the commit: a pickle is a file like any other, but it will not be run here, and that is said.
async function showInspection(commitOid) {
  if (!boot.resultUrl) return;
  const box = byId("upload-inspection");
  const text = box.querySelector("[data-text]");
  box.hidden = false;
  setText(text, words.inspecting);
  for (let tries = 0; tries < INSPECTION_TRIES; tries++) {
    const result = await getJson(`${boot.resultUrl}?commit=${commitOid}`);
    if (result.state !== "pending") {
      drawInspection(box, result);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, INSPECTION_EVERY_MS));
  }
  setText(text, words.inspectingLong);
}

function drawInspection(box, { state, text, findings }) {
  box.dataset.state = state;
  setText(box.querySelector("[data-text]"), text);
  const list = box.querySelector("[data-findings]");
  list.replaceChildren(
    ...findings.map((finding) => {
      const line = document.createElement("li");
      line.textContent = finding;
      return line;
    }),
  );
  announce(text);
}

// --- wiring ----------------------------------------------------------------------------------------------------------

function startDrop() {
  const isFiles = (event) => event.dataTransfer?.types.includes("Files");
  // The whole page takes a drop: a file let go beside the frame would otherwise replace the page and the upload with it.
  document.addEventListener("dragover", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    parts.drop.dataset.over = "";
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) delete parts.drop.dataset.over;
  });
  document.addEventListener("drop", (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    delete parts.drop.dataset.over;
    act(fromDrop(event.dataTransfer).then(({ found, handles: dropped }) => take(found, dropped)));
  });
}

function startInput(input, button) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(fromInput(input), []);
    // The same folder may be chosen again, after a failure or for its changes.
    input.value = "";
  });
}

function startButtons() {
  const on = (id, run) => byId(id).addEventListener("click", run);
  on("upload-pause", () => {
    uploader.pause();
    byId("upload-go-on").hidden = false;
    byId("upload-go-on").focus();
    announce(words.paused);
  });
  on("upload-go-on", () => {
    rate.forget();
    uploader.resume();
    byId("upload-pause").hidden = false;
    byId("upload-pause").focus();
  });
  on("upload-retry-all", () => uploader.retry(uploader.all));
  on("upload-drop-missing", () => act(uploader.remove(uploader.all.filter((item) => item.state === "wanted"))));
  on("upload-start-over", () => {
    parts.resume.hidden = true;
    [leftOut, unreadable, commitsWhenDone] = [[], [], false];
    act(uploader.startOver());
    parts.drop.focus();
  });
  on("upload-continue", () => act(continueUpload()));
  on("upload-commit-anyway", commitAnyway);
  parts.commit.addEventListener("submit", (event) => {
    event.preventDefault();
    commit();
  });
}

let announcedAt = Date.now();

function tick() {
  const count = counted();
  if (!count.active || uploader.isPaused) return;
  rate.add(count.arrived);
  drawSoon();
  if (Date.now() - announcedAt < ANNOUNCE_EVERY_MS) return;
  announcedAt = Date.now();
  announce(`${fill(words.filesHere, { here: count.stored, total: count.total })}. ${overallText(count)}`);
}

parts.page.hidden = false;
uploader.addEventListener("change", drawSoon);
startDrop();
startInput(byId("upload-input-files"), parts.pickFiles);
startInput(byId("upload-input-folder"), parts.pickFolder);
startButtons();
setInterval(tick, 500);
draw();
act(offerResume());
