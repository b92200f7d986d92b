// The npm client through a repo's life; what it saw goes into FOLDER/saw.json.
// node hub.mjs HUB_URL TOKEN REPO_ID FOLDER XET BYTES
// FOLDER takes what is downloaded; XET is "on" or "off", for uploads; BYTES is the size of the large file.

import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  checkRepoAccess, commit, countCommits, createBranch, createRepo, deleteBranch, deleteFiles, deleteRepo, downloadFile,
  fileDownloadInfo, fileExists, listCommits, listFiles, listModels, modelInfo, pathsInfo, repoExists, snapshotDownload,
  uploadFile, uploadFiles, whoAmI,
} from "@huggingface/hub";

const [hubUrl, accessToken, repo, folder, xet, size] = process.argv.slice(2);
const useXet = xet === "on";
const saw = { moved: { xorbs: false, parts: 0, reads: 0 } };

// Which requests go out tells by which door the bytes travel: xorbs and reconstructions are Xet's, PUT is git-lfs's.
const fetchAndCount = (input, init) => {
  const { pathname } = new URL(input);
  if (pathname.includes("/xorbs/") && init?.method === "POST") saw.moved.xorbs = true;
  if (pathname.includes("/reconstructions/")) saw.moved.reads += 1;
  if (init?.method === "PUT") saw.moved.parts += 1;
  return fetch(input, init);
};
const shared = { hubUrl, accessToken, repo, fetch: fetchAndCount };

const all = async (items) => {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
};
const paths = async (options) => (await all(listFiles({ ...shared, recursive: true, ...options }))).map((item) => item.path);
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const bytesOf = async (options) => Buffer.from(await (await downloadFile({ ...shared, ...options })).arrayBuffer());

// The client puts paths into addresses as they are; those with signs of an address in them are its caller's to escape.
const odd = "dir/sub dir/ü?#.txt";
const escaped = odd.split("/").map(encodeURIComponent).join("/");

// Bytes that repeat nowhere, so that no part of them is sent twice.
let seed = Number(size);
const binary = Buffer.alloc(Number(size)).map(() => (seed = (seed * 48271) % 2147483647) & 255);

saw.name = (await whoAmI({ hubUrl, accessToken })).name;
saw.created = await createRepo({ ...shared, license: "mit", files: [{ path: "first.txt", content: new Blob(["one"]) }] });
saw.exists = [await repoExists(shared), await repoExists({ ...shared, repo: `${repo}-not` })];
await checkRepoAccess(shared);

const done = await uploadFiles({
  ...shared,
  useXet,
  commitTitle: "From JavaScript",
  files: [
    { path: "a.txt", content: new Blob(["hello"]) },
    { path: odd, content: new Blob(["odd"]) },
    { path: "empty.bin", content: new Blob([]) },
    { path: "weights/w.bin", content: new Blob([binary]) },
  ],
});
saw.commitUrl = done.commit.url;
saw.commitOid = done.commit.oid;
saw.files = await paths({});
saw.top = (await all(listFiles(shared))).map((item) => [item.type, item.path]);
saw.expanded = (await all(listFiles({ ...shared, expand: true }))).map((item) => item.lastCommit.title);
saw.paths = (await pathsInfo({ ...shared, paths: ["a.txt", "dir", "none"] })).map((item) => [item.type, item.path]);
saw.commits = (await all(listCommits(shared))).map((item) => [item.title, item.authors[0]]);
saw.count = await countCommits({ ...shared, revision: "main" });

saw.text = (await bytesOf({ path: "a.txt" })).toString();
saw.odd = (await bytesOf({ path: escaped })).toString();
saw.raw = (await bytesOf({ path: "weights/w.bin", raw: true, xet: false })).toString().split("\n")[0];
saw.sameByHttp = sha256(await bytesOf({ path: "weights/w.bin", xet: false })) === sha256(binary);
saw.sameByXet = sha256(await bytesOf({ path: "weights/w.bin" })) === sha256(binary);
const part = await downloadFile({ ...shared, path: "weights/w.bin" });
saw.sameRange = sha256(Buffer.from(await part.slice(1000, 2_000_001).arrayBuffer())) === sha256(binary.subarray(1000, 2_000_001));
const about = await fileDownloadInfo({ ...shared, path: "weights/w.bin" });
saw.info = { size: about.size, etag: about.etag, hasXet: about.xet !== undefined };
saw.fileExists = [await fileExists({ ...shared, path: "a.txt" }), await fileExists({ ...shared, path: "none" })];

const info = await modelInfo({ hubUrl, accessToken, name: repo, additionalFields: ["sha", "author", "cardData", "siblings"] });
saw.model = { name: info.name, sha: info.sha, author: info.author, license: info.cardData.license, private: info.private };
saw.listed = (await all(listModels({ hubUrl, accessToken, search: { owner: saw.name, query: repo.split("/")[1] } }))).map((item) => item.name);

await createBranch({ ...shared, branch: "dev/x" });
await uploadFile({ ...shared, useXet, branch: "dev/x", file: { path: "dev.txt", content: new Blob(["dev"]) } });
await createBranch({ ...shared, branch: "dev/x", overwrite: true });
saw.onBranch = await fileExists({ ...shared, path: "dev.txt", revision: "dev/x" });
await createBranch({ ...shared, branch: "bare", empty: true });
saw.bare = await paths({ revision: "bare" });
await deleteBranch({ ...shared, branch: "dev/x" });

const proposed = await commit({
  ...shared,
  useXet,
  title: "Propose",
  isPullRequest: true,
  operations: [{ operation: "addOrUpdate", path: "proposed.bin", content: new Blob([binary.subarray(0, 500_000)]) }],
});
saw.pullRequest = proposed.pullRequestUrl;
saw.onPull = (await paths({ revision: "refs/pr/1" })).includes("proposed.bin");
saw.pullCommits = (await all(listCommits({ ...shared, revision: "refs/pr/1" })))[0].title;
saw.pullBytes = sha256(await bytesOf({ path: "proposed.bin", revision: "refs/pr/1" })) === sha256(binary.subarray(0, 500_000));

await deleteFiles({ ...shared, paths: ["first.txt", odd] });
saw.left = await paths({});
saw.snapshot = await snapshotDownload({ ...shared, cacheDir: folder });
const error = await uploadFile({ ...shared, file: { path: "..\\up.txt", content: new Blob(["x"]) } }).catch((problem) => problem);
saw.refused = error.statusCode;
await deleteRepo(shared);
saw.gone = !(await repoExists(shared));
await writeFile(join(folder, "saw.json"), JSON.stringify(saw));
