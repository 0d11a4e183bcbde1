"""Tiny random weights of the open families, of their real classes, and tokenizers made here: nothing is downloaded."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
for _name in ("torchao", "torch.utils._pytree"):
    logging.getLogger(_name).setLevel(logging.ERROR)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers
    import torch
    import transformers
    from tokenizers.pre_tokenizers import ByteLevel

WORDS = ("a", "the", "red", "blue", "boat", "car", "cat", "drives", "sails", "left", "sea", "sunset")
LETTERS = sorted(ByteLevel.alphabet())
WIDTH = 32  # of every text encoder


def t5_words() -> Any:
    """A tokenizer of T5's kind that knows a few words."""
    pieces = ["<pad>", "</s>", "<unk>", "▁", *(f"▁{word}" for word in WORDS), *"abcdefghijklmnopqrstuvwxyz"]
    return transformers.T5Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=0)


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4, relative_attention_num_buckets=8
    )
    return transformers.T5EncoderModel(config).eval()


def umt5() -> Any:
    config = transformers.UMT5Config(vocab_size=64, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return transformers.UMT5EncoderModel(config).eval()


def wan_vae(**more: object) -> Any:
    given = {"base_dim": 3, "z_dim": 16, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    return diffusers.AutoencoderKLWan(**(given | {"temperal_downsample": [False, True, True]} | more))


def wan_transformer(channels: int = 16, out: int | None = None, **more: object) -> Any:
    given = {"patch_size": (1, 2, 2), "num_attention_heads": 2, "attention_head_dim": 12, "text_dim": WIDTH}
    given |= {"freq_dim": 256, "ffn_dim": 32, "num_layers": 2, "cross_attn_norm": True, "rope_max_seq_len": 32}
    return diffusers.WanTransformer3DModel(in_channels=channels, out_channels=out or channels, **(given | more))


def wan(channels: int = 16, **more: object) -> Any:
    scheduler = diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True)
    parts = {"vae": wan_vae(), "transformer": wan_transformer(channels), "tokenizer": t5_words()} | more
    return diffusers.WanPipeline(text_encoder=umt5(), scheduler=scheduler, **parts)


def wan_5b() -> Any:
    vae = wan_vae(
        z_dim=48, in_channels=12, out_channels=12, is_residual=True, patch_size=2, latents_mean=[0.0] * 48,
        latents_std=[1.0] * 48, scale_factor_spatial=16, scale_factor_temporal=4,
    )  # fmt: skip
    return wan(48, vae=vae, expand_timesteps=True)


def wan_a14b() -> Any:
    return wan(transformer_2=wan_transformer(), boundary_ratio=0.875)


def wan_i2v() -> Any:
    eye = transformers.CLIPVisionConfig(
        hidden_size=4, projection_dim=4, num_hidden_layers=2, num_attention_heads=2, image_size=4, intermediate_size=16,
        patch_size=1,
    )  # fmt: skip
    return diffusers.WanImageToVideoPipeline(
        vae=wan_vae(),
        transformer=wan_transformer(36, 16, image_dim=4),
        tokenizer=t5_words(),
        text_encoder=umt5(),
        scheduler=diffusers.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True),
        image_encoder=transformers.CLIPVisionModel(eye).eval(),
        image_processor=transformers.CLIPImageProcessor(crop_size=4, size=4),
    )


def cogvideox() -> Any:
    down, up = ("CogVideoXDownBlock3D",) * 4, ("CogVideoXUpBlock3D",) * 4
    return diffusers.CogVideoXPipeline(
        tokenizer=t5_words(),
        text_encoder=t5(),
        vae=diffusers.AutoencoderKLCogVideoX(
            down_block_types=down, up_block_types=up, block_out_channels=(8, 8, 8, 8), latent_channels=4,
            layers_per_block=1, norm_num_groups=2, temporal_compression_ratio=4,
        ),
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=2, attention_head_dim=16, in_channels=4, out_channels=4, time_embed_dim=2,
            text_embed_dim=WIDTH, num_layers=1, patch_size=2, patch_size_t=2, patch_bias=False,
            use_rotary_positional_embeddings=True, sample_height=300, sample_width=300, sample_frames=81,
        ),
        scheduler=diffusers.CogVideoXDPMScheduler(),
    )  # fmt: skip


def ltx() -> Any:
    vae = diffusers.AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(8, 8, 8, 8), decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1), decoder_layers_per_block=(1, 1, 1, 1, 1), patch_size=4, patch_size_t=1,
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4, upsample_factor=(1,) * 4,
    )  # fmt: skip
    transformer = diffusers.LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=4, attention_head_dim=8, cross_attention_dim=WIDTH,
        num_layers=1, caption_channels=WIDTH,
    )  # fmt: skip
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    return diffusers.LTXPipeline(
        scheduler=scheduler, vae=vae, text_encoder=t5(), tokenizer=t5_words(), transformer=transformer
    )


def mochi() -> Any:
    transformer = diffusers.MochiTransformer3DModel(
        num_attention_heads=2, attention_head_dim=8, num_layers=2, pooled_projection_dim=16, text_embed_dim=WIDTH,
        time_embed_dim=4, max_sequence_length=16,
    )  # fmt: skip
    torch.nn.init.zeros_(transformer.pos_frequencies)  # made uninitialised
    vae = diffusers.AutoencoderKLMochi(
        encoder_block_out_channels=(32,) * 4, decoder_block_out_channels=(32,) * 4, layers_per_block=(1,) * 5
    )
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(invert_sigmas=True)
    return diffusers.MochiPipeline(
        scheduler=scheduler, vae=vae, text_encoder=t5(), tokenizer=t5_words(), transformer=transformer
    )


def letters(kind: Any, first: tuple[str, ...], **more: object) -> Any:
    """A tokenizer of single bytes, written as byte-pair encoders write them."""
    words = dict.fromkeys([*first, *LETTERS])
    return kind(vocab={word: index for index, word in enumerate(words)}, merges=[], **more)


def qwen_words() -> Any:
    words = letters(transformers.Qwen2Tokenizer, ("<|endoftext|>",))
    words.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return words


def hunyuan_parts(target: int = 640) -> dict[str, Any]:
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"}
    qwen = transformers.Qwen2_5_VLTextConfig(
        vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=2, rope_scaling=rope, rope_theta=1e6, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    byt5 = transformers.T5Config(vocab_size=400, d_model=WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    transformer = diffusers.HunyuanVideo15Transformer3DModel(
        in_channels=65, out_channels=32, num_attention_heads=2, attention_head_dim=8, num_layers=1,
        num_refiner_layers=1, mlp_ratio=2.0, text_embed_dim=16, text_embed_2_dim=WIDTH, image_embed_dim=12,
        rope_axes_dim=(2, 2, 4), target_size=target,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLHunyuanVideo15(
        latent_channels=32, block_out_channels=(32, 32, 32, 32, 64), layers_per_block=1, spatial_compression_ratio=16,
        temporal_compression_ratio=4, downsample_match_channel=False, upsample_match_channel=False,
    )  # fmt: skip
    return {
        "text_encoder": transformers.Qwen2_5_VLTextModel(qwen).eval(),
        "tokenizer": qwen_words(),
        "transformer": transformer,
        "vae": vae,
        "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(shift=5.0),
        "text_encoder_2": transformers.T5EncoderModel(byt5).eval(),
        "tokenizer_2": transformers.ByT5Tokenizer(),
        "guider": diffusers.ClassifierFreeGuidance(guidance_scale=6.0),
    }


def hunyuan() -> Any:
    return diffusers.HunyuanVideo15Pipeline(**hunyuan_parts())


def hunyuan_i2v(side: int) -> Any:
    eye = transformers.SiglipVisionConfig(
        hidden_size=12, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    return diffusers.HunyuanVideo15ImageToVideoPipeline(
        image_encoder=transformers.SiglipVisionModel(eye).eval(),
        feature_extractor=transformers.SiglipImageProcessor(size={"height": 28, "width": 28}),
        **hunyuan_parts(side),
    )


def gemma_words() -> Any:
    return letters(transformers.GemmaTokenizer, ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"))


def sana() -> Any:
    gemma = transformers.Gemma2Config(
        vocab_size=300, head_dim=16, hidden_size=8, intermediate_size=64, num_attention_heads=2, num_hidden_layers=1,
        num_key_value_heads=2,
    )  # fmt: skip
    transformer = diffusers.SanaVideoTransformer3DModel(
        in_channels=16, out_channels=16, num_attention_heads=2, attention_head_dim=12, num_layers=2,
        num_cross_attention_heads=2, cross_attention_head_dim=12, cross_attention_dim=24, caption_channels=8,
        mlp_ratio=2.5, sample_size=8, patch_size=(1, 2, 2), qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    return diffusers.SanaVideoPipeline(
        tokenizer=gemma_words(),
        text_encoder=transformers.Gemma2Model(gemma).eval(),
        vae=wan_vae(),
        transformer=transformer,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )


def ltx2() -> Any:
    text = {
        "vocab_size": 300, "hidden_size": 32, "intermediate_size": 16, "num_hidden_layers": 2, "head_dim": 8,
        "num_attention_heads": 2, "num_key_value_heads": 1,
    }  # fmt: skip
    eye = {
        "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 28,
        "patch_size": 14,
    }  # fmt: skip
    gemma = transformers.Gemma3Config(text_config=text, vision_config=eye, mm_tokens_per_image=1)
    kinds = diffusers.pipelines.ltx2
    transformer = diffusers.LTX2VideoTransformer3DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, cross_attention_dim=16,
        audio_in_channels=4, audio_out_channels=4, audio_num_attention_heads=2, audio_attention_head_dim=4,
        audio_cross_attention_dim=8, num_layers=2, caption_channels=32, rope_double_precision=False, rope_type="split",
    )  # fmt: skip
    connectors = kinds.LTX2TextConnectors(
        caption_channels=32, text_proj_in_factor=3, video_connector_num_attention_heads=4,
        video_connector_attention_head_dim=8, video_connector_num_layers=1,
        video_connector_num_learnable_registers=None, audio_connector_num_attention_heads=4,
        audio_connector_attention_head_dim=8, audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=None, connector_rope_base_seq_len=32, rope_theta=10000.0,
        rope_double_precision=False, causal_temporal_positioning=False, rope_type="split",
    )  # fmt: skip
    vae = diffusers.AutoencoderKLLTX2Video(
        latent_channels=4, block_out_channels=(8,), decoder_block_out_channels=(8,), layers_per_block=(1,),
        decoder_layers_per_block=(1, 1), spatio_temporal_scaling=(True,), decoder_spatio_temporal_scaling=(True,),
        decoder_inject_noise=(False, False), downsample_type=("spatial",), upsample_residual=(False,),
        upsample_factor=(1,), timestep_conditioning=False, patch_size=1, patch_size_t=1, encoder_causal=True,
        decoder_causal=False,
    )  # fmt: skip
    audio = diffusers.AutoencoderKLLTX2Audio(
        base_channels=4, output_channels=2, ch_mult=(1,), num_res_blocks=1, attn_resolutions=None, in_channels=2,
        resolution=32, latent_channels=2, norm_type="pixel", causality_axis="height", mid_block_add_attention=False,
        sample_rate=16000, mel_hop_length=160, is_causal=True, mel_bins=8,
    )  # fmt: skip
    vocoder = kinds.LTX2Vocoder(
        in_channels=16, hidden_channels=32, out_channels=2, upsample_kernel_sizes=[4, 4], upsample_factors=[2, 2],
        resnet_kernel_sizes=[3], resnet_dilations=[[1, 3, 5]], output_sampling_rate=16000,
    )  # fmt: skip
    return diffusers.LTX2Pipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=vae,
        audio_vae=audio,
        text_encoder=transformers.Gemma3ForConditionalGeneration(gemma).eval(),
        tokenizer=gemma_words(),
        connectors=connectors,
        transformer=transformer,
        vocoder=vocoder,
    )


def clip(kind: Any, width: int) -> Any:
    says = transformers.CLIPTextConfig(
        vocab_size=600, hidden_size=width, intermediate_size=37, num_attention_heads=4, num_hidden_layers=3,
        bos_token_id=0, eos_token_id=1, pad_token_id=1, projection_dim=32,
    )  # fmt: skip
    return kind(says).eval()


def clip_words() -> Any:
    first = ("<|startoftext|>", "<|endoftext|>", *(f"{letter}</w>" for letter in LETTERS))
    return letters(transformers.CLIPTokenizer, first, model_max_length=77)


def picture_vae(**more: object) -> Any:
    given = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 2, "latent_channels": 4}
    down, up = ("DownEncoderBlock2D",) * 4, ("UpDecoderBlock2D",) * 4
    return diffusers.AutoencoderKL(down_block_types=down, up_block_types=up, **(given | more))


def animatediff() -> Any:
    blocks = {"block_out_channels": (8, 8), "layers_per_block": 2}
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), cross_attention_dim=8,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), norm_num_groups=2, **blocks,
    )  # fmt: skip
    adapter = diffusers.MotionAdapter(
        block_out_channels=(8, 8), motion_layers_per_block=2, motion_norm_num_groups=2, motion_num_attention_heads=4
    )
    return diffusers.AnimateDiffPipeline(
        vae=picture_vae(),
        text_encoder=clip(transformers.CLIPTextModel, 8),
        tokenizer=clip_words(),
        unet=unet,
        motion_adapter=adapter,
        scheduler=diffusers.DDIMScheduler(beta_schedule="linear", clip_sample=False),
    )


XL = {
    "sample_size": 8, "attention_head_dim": (2, 4), "use_linear_projection": True, "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8, "transformer_layers_per_block": (1, 2), "projection_class_embeddings_input_dim": 80,
    "cross_attention_dim": 64, "norm_num_groups": 2, "block_out_channels": (8, 16), "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"), "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip


def xl_parts() -> dict[str, Any]:
    return {
        "vae": picture_vae(),
        "text_encoder": clip(transformers.CLIPTextModel, 32),
        "text_encoder_2": clip(transformers.CLIPTextModelWithProjection, 32),
        "tokenizer": clip_words(),
        "tokenizer_2": clip_words(),
        "unet": diffusers.UNet2DConditionModel(**XL),
    }


def sdxl() -> Any:
    return diffusers.StableDiffusionXLPipeline(scheduler=diffusers.EulerDiscreteScheduler(), **xl_parts())


def animatediff_sdxl() -> Any:
    adapter = diffusers.MotionAdapter(
        block_out_channels=(8, 16), motion_layers_per_block=2, motion_norm_num_groups=2, motion_num_attention_heads=4,
        use_motion_mid_block=False,
    )  # fmt: skip
    scheduler = diffusers.DDIMScheduler(beta_schedule="linear", clip_sample=False)
    return diffusers.AnimateDiffSDXLPipeline(motion_adapter=adapter, scheduler=scheduler, **xl_parts())


def flux() -> Any:
    transformer = diffusers.FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=WIDTH, axes_dims_rope=[4, 4, 8],
    )  # fmt: skip
    return diffusers.FluxPipeline(
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=picture_vae(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=clip(transformers.CLIPTextModel, WIDTH),
        tokenizer=clip_words(),
        text_encoder_2=t5(),
        tokenizer_2=t5_words(),
        transformer=transformer,
    )


PIPELINES: dict[str, Callable[[], Any]] = {
    "wan2.1-1.3b": wan,
    "wan2.2-5b": wan_5b,
    "wan2.2-a14b": wan_a14b,
    "wan2.1-i2v-14b-480p": wan_i2v,
    "cogvideox1.5-5b": cogvideox,
    "ltx-video-2b": ltx,
    "ltx-2-19b": ltx2,
    "hunyuan-video-1.5-480p": hunyuan,
    "mochi-1": mochi,
    "sana-video-2b": sana,
    "animatediff-sd1.5": animatediff,
    "animatediff-sdxl": animatediff_sdxl,
    "sdxl": sdxl,
    "flux-schnell": flux,
}


def save(name: str, folder: Path) -> Path:
    """Save a tiny pipeline of the class that `name`'s weights have; return its folder."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PIPELINES[name]().save_pretrained(folder / name)
    return folder / name
