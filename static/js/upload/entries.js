// Files and folders, however they come in, as [{ path, file }]: paths as on the reader's disk, top folder included.
// What no repository wants (.git, .DS_Store) is left out and named, so that the page can say so.

const LEFT_OUT = new Set([".git", ".ds_store", "thumbs.db", "desktop.ini", "__macosx"]);

// A folder's reader answers in batches (Chromium: 100) and an empty one ends it.
function readBatch(reader) {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

function isLeftOut(path) {
  return path.split("/").some((part) => LEFT_OUT.has(part.toLowerCase()));
}

class Found {
  files = [];
  leftOut = [];
  unreadable = [];

  add(path, file) {
    if (isLeftOut(path)) this.leftOut.push(path);
    else this.files.push({ path, file });
  }
}

async function walkEntry(entry, path, found) {
  if (isLeftOut(path)) {
    found.leftOut.push(path);
    return;
  }
  try {
    if (entry.isFile) {
      found.add(path, await fileOf(entry));
      return;
    }
    const reader = entry.createReader();
    for (let batch = await readBatch(reader); batch.length; batch = await readBatch(reader)) {
      for (const child of batch) await walkEntry(child, `${path}/${child.name}`, found);
    }
  } catch {
    found.unreadable.push(path);
  }
}

async function walkHandle(handle, path, found) {
  if (isLeftOut(path)) {
    found.leftOut.push(path);
    return;
  }
  try {
    if (handle.kind === "file") {
      found.add(path, await handle.getFile());
      return;
    }
    for await (const child of handle.values()) await walkHandle(child, `${path}/${child.name}`, found);
  } catch {
    found.unreadable.push(path);
  }
}

// A drop's items are readable only while its event runs: everything is taken out at once and walked afterwards.
export function fromDrop(transfer) {
  const taken = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => ({
      entry: item.webkitGetAsEntry?.() ?? null,
      file: item.getAsFile(),
      handle: item.getAsFileSystemHandle?.().catch(() => null) ?? null,
    }));
  return walkDrop(taken);
}

async function walkDrop(taken) {
  const found = new Found();
  for (const { entry, file } of taken) {
    if (entry) await walkEntry(entry, entry.name, found);
    else if (file) found.add(file.name, file);
  }
  const handles = (await Promise.all(taken.map((item) => item.handle))).filter(Boolean);
  return { found, handles };
}

export function fromInput(input) {
  const found = new Found();
  for (const file of input.files) found.add(file.webkitRelativePath || file.name, file);
  return found;
}

export async function fromHandles(handles) {
  const found = new Found();
  for (const handle of handles) await walkHandle(handle, handle.name, found);
  return found;
}

// One folder stands for the repository itself, as with `hf upload`: its own name is dropped unless asked for.
export function placed(files, { keepsFolder, folder }) {
  const tops = new Set(files.map(({ path }) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")));
  const isOneFolder = tops.size === 1 && !tops.has("");
  const prefix = folder ? `${folder}/` : "";
  return files.map(({ path, file }) => {
    const inside = isOneFolder && !keepsFolder ? path.slice(path.indexOf("/") + 1) : path;
    return { path: (prefix + inside).normalize("NFC"), file };
  });
}
