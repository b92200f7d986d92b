"""Tiny real models, built in the test with random weights and a tokenizer trained on the spot."""

from __future__ import annotations

import json
from pathlib import Path

CORPUS = [
    "the quick brown fox jumps over the lazy dog",
    "pack my box with five dozen jugs",
    "中文 字符 测试 é ü 🙂",
] * 8
TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}<|assistant|>"


def build_causal(
    folder: Path, *, layers: int = 2, hidden: int = 64, sliding: int | None = None, kind: str = "llama"
) -> Path:
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        MistralConfig,
        MistralForCausalLM,
        PreTrainedTokenizerFast,
    )

    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(CORPUS, vocab_size=320, special_tokens=["</s>"], show_progress=False)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe._tokenizer, eos_token="</s>", pad_token="</s>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    if kind == "gpt2":
        config = GPT2Config(vocab_size=len(tokenizer), n_embd=hidden, n_layer=layers, n_head=4, n_positions=256,
                            eos_token_id=None, bos_token_id=None)  # fmt: skip
        model = GPT2LMHeadModel(config)
    else:
        shape = {
            "vocab_size": len(tokenizer), "hidden_size": hidden, "intermediate_size": 2 * hidden,
            "num_hidden_layers": layers, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": 256, "eos_token_id": None, "bos_token_id": None, "pad_token_id": None,
        }  # fmt: skip
        model = (
            MistralForCausalLM(MistralConfig(sliding_window=sliding, **shape))
            if sliding
            else LlamaForCausalLM(LlamaConfig(**shape))
        )
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    return opened(folder)


def word_tokenizer(folder: Path):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = sorted({word for line in CORPUS for word in line.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    raw = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer()
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=64,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def _bert_config(size: int):
    from transformers import BertConfig

    return BertConfig(vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
                      max_position_embeddings=64, id2label={0: "bad", 1: "good", 2: "odd"},
                      label2id={"bad": 0, "good": 1, "odd": 2})  # fmt: skip


def build_bert(folder: Path, *, classifier: bool = False) -> Path:
    import torch
    from transformers import BertForSequenceClassification, BertModel

    torch.manual_seed(0)
    config = _bert_config(len(word_tokenizer(folder)))
    (BertForSequenceClassification if classifier else BertModel)(config).save_pretrained(folder)
    return opened(folder)


def build_sentence_transformer(folder: Path, *, mode: str = "mean", dense: bool = True) -> Path:
    """Lay out a sentence-transformers repo by hand, as released repos are: legacy names and legacy pooling flags."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    build_bert(folder)
    names = ["Transformer", "Pooling", *(["Dense"] if dense else []), "Normalize"]
    modules = [
        {
            "idx": i,
            "name": str(i),
            "path": "" if i == 0 else f"{i}_{name}",
            "type": f"sentence_transformers.models.{name}",
        }
        for i, name in enumerate(names)
    ]
    _write(folder / "modules.json", modules)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 12, "do_lower_case": False})
    flags = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    pooling = {f"pooling_mode_{flag}": name == mode for name, flag in flags.items()}
    _write(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": 32, **pooling})
    if dense:
        config = {"in_features": 32, "out_features": 16, "bias": True,
                  "activation_function": "torch.nn.modules.activation.Tanh"}  # fmt: skip
        _write(folder / "2_Dense" / "config.json", config)
        torch.manual_seed(1)
        save_file(
            {"linear.weight": torch.randn(16, 32), "linear.bias": torch.randn(16)},
            folder / "2_Dense" / "model.safetensors",
        )
    (folder / modules[-1]["path"]).mkdir(exist_ok=True)
    return opened(folder)


def build_vit(folder: Path) -> Path:
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    ViTForImageClassification(
        ViTConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            image_size=32,
            patch_size=8,
            id2label={0: "cat", 1: "dog"},
            label2id={"cat": 0, "dog": 1},
        )
    ).save_pretrained(folder)
    _write(folder / "preprocessor_config.json", {
        "image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "do_normalize": True,
        "do_resize": True, "do_rescale": True, "rescale_factor": 1 / 255, "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    })  # fmt: skip
    return opened(folder)


def _write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def opened(folder: Path) -> Path:
    """Make a folder readable by the runner's own user, as published snapshots are."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
