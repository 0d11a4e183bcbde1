"""A tiny vision-language model of transformers' real classes that has learned to tell three levels of grey."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import numpy as np
    import torch
    import transformers
    from PIL import Image
    from tokenizers import Tokenizer, models, pre_tokenizers

    from rushes.data.captioning.teachers import PROMPT

SAYS = {
    0: '{"medium": "a black clip"}',
    255: '{"medium": "a white clip"}',
    128: "I am very sorry.",
}  # by level; equally long
TEMPLATE = """{% for message in messages %}{% for part in message['content'] %}
{% if part['type'] == 'image' %} <image> {% else %} {{ part['text'] }} {% endif %}
{% endfor %}{% endfor %}"""
PICTURES = 2  # of a clip, while it learned
_PX, _STEPS = 16, 60
_UNKNOWN, _PAD, _BEGIN, _END, _IMAGE = "<unk>", "<pad>", "<s>", "</s>", "<image>"


def words() -> Any:
    """A tokenizer that knows the answers' words."""
    said = sorted({word for answer in SAYS.values() for word in answer.split()})
    known = {word: index for index, word in enumerate([_UNKNOWN, _PAD, _BEGIN, _END, _IMAGE, *said])}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    names = {"unk_token": _UNKNOWN, "pad_token": _PAD, "bos_token": _BEGIN, "eos_token": _END}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, extra_special_tokens=[_IMAGE], **names)


def processor(template: str | None = TEMPLATE) -> Any:
    """LLaVA's processor, for pictures of 16 px."""
    side = {"height": _PX, "width": _PX}
    eye = transformers.CLIPImageProcessor(size={"shortest_edge": _PX}, crop_size=side)
    return transformers.LlavaProcessor(
        image_processor=eye, tokenizer=words(), patch_size=8, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=template,
    )  # fmt: skip


def text_config() -> Any:
    return transformers.LlamaConfig(
        vocab_size=len(words()), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, bos_token_id=2, eos_token_id=3, pad_token_id=1,
    )  # fmt: skip


def network() -> Any:
    """LLaVA with random weights."""
    eye = transformers.CLIPVisionConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=_PX, patch_size=8
    )
    config = transformers.LlavaConfig(vision_config=eye, text_config=text_config(), image_token_index=4)
    return transformers.LlavaForConditionalGeneration(config)


def save_teacher(folder: Path) -> Path:
    """Teach a model what to say of films of one grey, and keep it in `folder`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model would only wait for the others
    torch.manual_seed(0)
    reads, model = processor(), network()
    lesson = _lesson(reads)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(_STEPS):
        loss = model(**lesson).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(threads)
    assert loss.item() < 0.05, f"the tiny teacher has not learned its lesson ({loss.item():.3f})"
    return save(folder, reads, model)


def save(folder: Path, *parts: Any) -> Path:
    """Keep a processor, a model or both in a folder, as transformers does."""
    transformers.utils.logging.disable_progress_bar()
    for part in parts:
        part.save_pretrained(folder)
    return folder


def _lesson(reads: Any) -> dict[str, Any]:
    chats = []
    for level in SAYS:
        picture = Image.fromarray(np.full((_PX, _PX, 3), level, np.uint8))
        content = [{"type": "image", "image": picture}] * PICTURES + [{"type": "text", "text": PROMPT}]
        chats.append([{"role": "user", "content": content}])
    told = reads.apply_chat_template(chats, tokenize=True, return_dict=True, return_tensors="pt")
    answers = [f"{answer} {_END}" for answer in SAYS.values()]
    said = reads.tokenizer(answers, add_special_tokens=False, return_tensors="pt")["input_ids"]
    labels = torch.cat((torch.full_like(told["input_ids"], -100), said), dim=1)
    return {
        "input_ids": torch.cat((told["input_ids"], said), dim=1),
        "labels": labels,
        "pixel_values": told["pixel_values"],
    }
