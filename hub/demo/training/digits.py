"""Train the demo's digit classifier on the UCI handwritten digits that ship with scikit-learn.

Data: Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998; CC BY 4.0), 1,797 images of 8×8.
Model: a small vision transformer.  Run: ``python -m hub.demo.training.digits OUTPUT_DIR`` (needs requirements-dev).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn import functional
from transformers import ViTConfig, ViTForImageClassification

SEED = 20261122
SIDE = 16  # pixels: the 8×8 originals are doubled so that patches of 2 keep the strokes apart


def data() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """(train images, train labels, test images, test labels); images (n, 1, 16, 16) in 0…1, ink bright."""
    digits = load_digits()
    images = torch.tensor(digits.images / 16.0, dtype=torch.float32)[:, None]
    images = functional.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    labels = torch.tensor(digits.target)
    train, test = train_test_split(range(len(labels)), test_size=0.2, random_state=SEED, stratify=labels)
    return images[train], labels[train], images[test], labels[test]


def augment(images: torch.Tensor) -> torch.Tensor:
    """Small turns, shifts and sizes, and half of them inverted: people draw dark on light as well."""
    n = len(images)
    angle = (torch.rand(n) - 0.5) * 0.5
    scale = 0.85 + torch.rand(n) * 0.5
    shift = (torch.rand(n, 2) - 0.5) * 0.25
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack([torch.stack([cos, -sin, shift[:, 0]], 1), torch.stack([sin, cos, shift[:, 1]], 1)], 1)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    moved = (moved * (0.7 + 0.6 * torch.rand(n, 1, 1, 1)) + 0.04 * torch.randn_like(moved)).clamp(0, 1)
    inverted = torch.rand(n, 1, 1, 1) < 0.5
    return torch.where(inverted, 1 - moved, moved)


def to_input(images: torch.Tensor) -> torch.Tensor:
    """Grey 0…1 → three channels normalised to -1…1, as the image processor does."""
    return (images.expand(-1, 3, -1, -1) - 0.5) / 0.5


def main(output: Path, epochs: int = 90) -> None:
    torch.manual_seed(SEED)
    train_x, train_y, test_x, test_y = data()
    config = ViTConfig(
        image_size=SIDE,
        patch_size=2,
        num_channels=3,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=192,
        id2label={i: str(i) for i in range(10)},
        label2id={str(i): i for i in range(10)},
    )
    model = ViTForImageClassification(config)
    steps = epochs * (len(train_y) // 64 + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, total_steps=steps)
    for epoch in range(epochs):
        model.train()
        for index in torch.randperm(len(train_y)).split(64):
            loss = model(pixel_values=to_input(augment(train_x[index])), labels=train_y[index]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        if epoch % 10 == 0:
            print(epoch, round(loss.item(), 3), accuracy(model, test_x, test_y), flush=True)
    score = {
        "test_images": len(test_y),
        "accuracy": accuracy(model, test_x, test_y),
        "accuracy_inverted": accuracy(model, 1 - test_x, test_y),
        "seed": SEED,
        "epochs": epochs,
    }
    model.save_pretrained(output)
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_convert_rgb": True,
    }
    (output / "preprocessor_config.json").write_text(json.dumps(processor, indent=2))
    (output / "training.json").write_text(json.dumps(score, indent=1))
    print(score)


def accuracy(model: ViTForImageClassification, images: torch.Tensor, labels: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        guess = model(pixel_values=to_input(images)).logits.argmax(-1)
    return round((guess == labels).float().mean().item(), 4)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
