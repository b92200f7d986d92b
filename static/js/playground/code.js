// "Get code": the call that the form would make now, for four kinds of callers.
import { config } from "./config.js";

const TOKEN = "HF_TOKEN";
const site = () => window.location.origin;
const address = () => site() + config.callUrl;
const modelAddress = () => `${site()}/${config.isPrimary || config.mode === "chat" || config.mode === "completion" ? "models" : `pipeline/${config.task}`}/${config.repoId}`;

const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// JSON is Python but for three words; they occur outside of strings only as whole values.
function python(value, indent = 0) {
  const pad = "    ".repeat(indent + 1);
  const end = "    ".repeat(indent);
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return value.length ? `[\n${value.map((item) => `${pad}${python(item, indent + 1)},\n`).join("")}${end}]` : "[]";
  if (typeof value === "object") return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item, indent + 1)}`).join(", ")}}`;
  return JSON.stringify(value);
}

const named = (values) => Object.entries(values).map(([key, value]) => `    ${key}=${python(value, 1)},\n`).join("");

function curl(request) {
  const head = `curl ${shellQuote(address())} \\\n  -H "Authorization: Bearer $${TOKEN}" \\\n`;
  if (request.file) return `${head}  -H ${shellQuote(`Content-Type: ${request.file.type}`)} \\\n  --data-binary ${shellQuote(`@${request.file.name}`)}`;
  const flags = request.json.stream ? "  --no-buffer \\\n" : "";
  return `${head}${flags}  -H 'Content-Type: application/json' \\\n  -d ${shellQuote(JSON.stringify(request.json, null, 2))}`;
}

// The client's words for the same settings.
function clientCall(request) {
  const { json, file } = request;
  const sampling = ({ temperature, top_p, seed }) => drop({ temperature, top_p, seed });
  switch (config.mode) {
    case "chat":
      return ["chat_completion", { messages: json.messages, max_tokens: json.max_tokens, ...sampling(json), stream: true }];
    case "completion":
      return ["text_generation", { prompt: json.prompt, max_new_tokens: json.max_tokens, ...sampling(json), stream: true }];
    case "similarity":
      return ["sentence_similarity", { sentence: json.inputs.source_sentence, other_sentences: json.inputs.sentences }];
    case "features":
      return ["feature_extraction", { text: json.inputs, ...json.parameters }];
    case "image":
      return ["image_classification", { image: file.name }];
    default:
      return ["text_classification", { text: json.inputs, ...json.parameters }];
  }
}

function drop(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const PYTHON_OUTPUT = {
  chat: 'for event in answer:\n    if event.choices:\n        print(event.choices[0].delta.content or "", end="")',
  completion: 'for text in answer:\n    print(text, end="")',
  features: "print(answer.shape)",
};

function pythonClient(request) {
  const [method, values] = clientCall(request);
  return [
    "import os\n\nfrom huggingface_hub import InferenceClient\n",
    `client = InferenceClient(base_url="${modelAddress()}", token=os.environ["${TOKEN}"])`,
    `answer = client.${method}(\n${named(drop(values))})`,
    PYTHON_OUTPUT[config.mode] ?? "print(answer)",
  ].join("\n");
}

function openaiClient(request) {
  const client = `import os\n\nfrom openai import OpenAI\n\nclient = OpenAI(base_url="${site()}/v1", api_key=os.environ["${TOKEN}"])\n`;
  if (config.mode === "features") {
    const values = { model: config.repoId, input: request.json.inputs };
    return `${client}answer = client.embeddings.create(\n${named(values)})\nprint(len(answer.data[0].embedding))`;
  }
  const isChat = config.mode === "chat";
  const text = isChat ? "delta.content" : "text";
  const method = isChat ? "chat.completions" : "completions";
  const loop = `for event in answer:\n    if event.choices:\n        print(event.choices[0].${text} or "", end="")`;
  return `${client}answer = client.${method}.create(\n${named(request.json)})\n${loop}`;
}

function javascript(request) {
  const type = request.file ? request.file.type : "application/json";
  const body = request.file ? "file, // a File or Blob" : `JSON.stringify(${JSON.stringify(request.json, null, 2).replaceAll("\n", "\n  ")}),`;
  const head = [
    `const response = await fetch(${JSON.stringify(address())}, {`,
    '  method: "POST",',
    "  headers: {",
    `    Authorization: \`Bearer \${process.env.${TOKEN}}\`,`,
    `    "Content-Type": ${JSON.stringify(type)},`,
    "  },",
    `  body: ${body}`,
    "});",
  ].join("\n");
  const read = request.json?.stream
    ? "for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {\n  process.stdout.write(piece); // server-sent events: data: {…}\n}"
    : "console.log(await response.json());";
  return `${head}\n${read}`;
}

const WRITERS = { curl, python: pythonClient, openai: openaiClient, javascript };

export function showCode(request) {
  for (const [name, write] of Object.entries(WRITERS)) {
    const code = document.querySelector(`#playground-code-${name} code`);
    if (code) code.textContent = write(request);
  }
}
