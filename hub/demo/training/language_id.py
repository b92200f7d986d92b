"""Train the demo's language identifier on the translations that ship with Django itself.

Data: the message catalogues of Django (BSD-3-Clause), some 30 languages.  Model: a small BERT over byte-level BPE.
Run: ``python -m hub.demo.training.language_id OUTPUT_DIR`` (some minutes on two cores).
"""

from __future__ import annotations

import json
import random
import re
import sys
from pathlib import Path

import django
import torch
from babel.messages import mofile
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

LANGUAGES = [
    "ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id", "it",
    "ja", "ko", "lt", "lv", "nb", "nl", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi",
    "zh_Hans", "zh_Hant",
]  # fmt: skip
MAX_LENGTH = 96  # tokens
SEED = 20261122


def sentences() -> dict[str, list[str]]:
    """Language → translated messages without placeholders and markup; English is the message ids."""
    root = Path(django.__file__).parent
    found: dict[str, set[str]] = {language: set() for language in LANGUAGES}
    for path in root.glob("**/locale/*/LC_MESSAGES/*.mo"):
        language = path.parent.parent.name
        if language not in found or language == "en":
            continue
        with path.open("rb") as file:
            for message in mofile.read_mo(file):
                texts = message.string if isinstance(message.string, list | tuple) else [message.string]
                found[language].update(clean(text) for text in texts if text)
                ids = message.id if isinstance(message.id, list | tuple) else [message.id]
                found["en"].update(clean(text) for text in ids if text)
    english = found["en"]
    return {
        language: sorted(t for t in texts if len(t) >= 12 and (language == "en" or t not in english))
        for language, texts in found.items()
    }


def clean(text: str) -> str:
    text = re.sub(r"<[^>]+>|%(\([^)]*\))?[#0-9.]*[a-z]|\{[^}]*\}|&[a-z]+;", " ", text)
    return re.sub(r"\s+", " ", text).strip()


def crop(text: str, chance: random.Random) -> str:
    """A random stretch of 10 to 120 characters: callers send fragments as well as sentences."""
    length = chance.randint(10, 120)
    start = chance.randint(0, max(0, len(text) - length))
    piece = text[start : start + length]
    return piece.lower() if chance.random() < 0.2 else piece


def train_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=1024, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        unk_token="[UNK]",
        model_max_length=MAX_LENGTH,
    )


def main(output: Path, steps: int = 5000, batch: int = 64) -> None:
    torch.manual_seed(SEED)
    chance = random.Random(SEED)
    held_out: list[tuple[str, int]] = []
    train: list[list[str]] = []
    for index, texts in enumerate(sentences().values()):
        chance.shuffle(texts)
        cut = max(10, len(texts) // 10)
        held_out += [(text, index) for text in texts[:cut]]
        train.append(texts[cut:])
    tokenizer = train_tokenizer([text for texts in train for text in texts])
    names = [language.replace("_", "-") for language in LANGUAGES]
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=1024,
            hidden_size=64,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
            max_position_embeddings=MAX_LENGTH,
            type_vocab_size=1,
            id2label=dict(enumerate(names)),
            label2id={name: index for index, name in enumerate(names)},
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    model.train()
    for step in range(steps):
        labels = [chance.randrange(len(names)) for _ in range(batch)]
        texts = [crop(chance.choice(train[label]), chance) for label in labels]
        encoded = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        loss = model(**encoded, labels=torch.tensor(labels)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            print(step, round(loss.item(), 3), flush=True)
    score = evaluate(model.eval(), tokenizer, held_out)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    (output / "training.json").write_text(json.dumps(score | {"seed": SEED, "steps": steps}, indent=1))
    print(score)


def evaluate(model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, rows: list[tuple[str, int]]):
    """Accuracy on messages that training never saw."""
    right = 0
    for start in range(0, len(rows), 256):
        part = rows[start : start + 256]
        encoded = tokenizer([text for text, _ in part], padding=True, truncation=True, return_tensors="pt")
        with torch.no_grad():
            guess = model(**encoded).logits.argmax(-1).tolist()
        right += sum(g == label for g, (_, label) in zip(guess, part, strict=True))
    return {"held_out_messages": len(rows), "accuracy": round(right / len(rows), 4), "django": django.__version__}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
