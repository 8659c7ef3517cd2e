"""What a Model may ask to run on: KubeAI's resource profiles, and the engine's image for each. docs/models.md has the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ib_constructs.addons.gpu import SHARING_LABEL, WHOLE, Runtime, Vendor
from ib_constructs.versions import (
    OLLAMA_AMD_IMAGE,
    OLLAMA_IMAGE,
    VLLM_AMD_IMAGE,
    VLLM_CPU_IMAGE,
    VLLM_NVIDIA_IMAGE,
    VLLM_PASCAL_IMAGE,
    WHISPER_CPU_IMAGE,
    WHISPER_NVIDIA_IMAGE,
)

# Engine to image by the name that a profile gives; `default` is for names that an engine does not list.
ENGINE_IMAGES: Mapping[str, Mapping[str, str]] = {
    "VLLM": {
        "default": VLLM_NVIDIA_IMAGE,
        "nvidia-gpu": VLLM_NVIDIA_IMAGE,
        "nvidia-gpu-pascal": VLLM_PASCAL_IMAGE,
        # KubeAI takes `default` for a name that it does not find, so each is listed (kubeai 0.22.1, model_controller.go).
        "cpu": VLLM_CPU_IMAGE,
        "cpu-avx2": VLLM_CPU_IMAGE,
        "amd-gpu": VLLM_AMD_IMAGE,
    },
    "OLlama": {"default": OLLAMA_IMAGE, "nvidia-gpu": OLLAMA_IMAGE, "cpu": OLLAMA_IMAGE, "amd-gpu": OLLAMA_AMD_IMAGE},
    # The chart's have no version.
    "FasterWhisper": {"default": WHISPER_CPU_IMAGE, "nvidia-gpu": WHISPER_NVIDIA_IMAGE},
}
CHARTS_PROFILES = (
    "cpu",
    *(f"nvidia-gpu-{name}" for name in ("t4", "l4", "l40s", "h100", "gh200", "a100-80gb", "a100-40gb", "a16", "rtx4070-8gb")),
    "amd-gpu-mi300x",
)
"""Profiles that KubeAI's chart brings at the pinned version."""
OLDER_FAMILIES = ("kepler", "maxwell", "pascal", "volta")
"""As GPU feature discovery names them (`nvidia.com/gpu.family`). The current engines begin with Turing, RTX 20xx."""


def resource_profiles(vendors: Sequence[Vendor], runtime: Runtime) -> dict[str, Any]:
    """Values of KubeAI's chart. In a profile `…-unlimited` a model asks for what it cannot run without, and takes what is to spare."""
    profiles: dict[str, Any] = {
        "cpu-unlimited": {"imageName": "cpu", **_asks(cpu="2", memory="4Gi"), **_label("feature.node.kubernetes.io/cpu-cpuid.AVX512F")},
        "cpu-avx2-unlimited": {
            "imageName": "cpu-avx2",
            **_asks(cpu="2", memory="4Gi"),
            **_label("feature.node.kubernetes.io/cpu-cpuid.AVX2"),
        },
    }
    if "nvidia" in vendors:
        profiles |= _nvidia(runtime)
    if "amd" in vendors:
        asks = _asks(cpu="1", memory="4Gi", gpu="amd.com/gpu")
        profiles["amd-unlimited"] = {"imageName": "amd-gpu", **asks, **_label("feature.node.kubernetes.io/amd-gpu")}
    return profiles


def _nvidia(runtime: Runtime) -> dict[str, Any]:
    """For each generation of cards one profile of shares and one of whole cards."""
    runtime_class = {"runtimeClassName": "nvidia"} if runtime == "runtimeclass" else {}
    generations = (
        ("nvidia", "nvidia-gpu", "NotIn", [*OLDER_FAMILIES, "undefined"]),
        ("nvidia-older", "nvidia-gpu-pascal", "In", ["pascal"]),
    )
    return {
        f"{name}-{kind}": {
            "imageName": image,
            **_asks(cpu="1", memory="4Gi", gpu="nvidia.com/gpu"),
            "affinity": _cards(operator, families, sharing),
            **runtime_class,
        }
        for name, image, operator, families in generations
        for kind, sharing in (("unlimited", "NotIn"), ("whole-unlimited", "In"))
    }


def _asks(*, cpu: str, memory: str, gpu: str | None = None) -> dict[str, Any]:
    device = {gpu: "1"} if gpu else {}
    return {"requests": {"cpu": cpu, "memory": memory, **device}, **({"limits": device} if gpu else {})}


def _label(name: str) -> dict[str, Any]:
    return {"nodeSelector": {name: "true"}}


def _cards(operator: str, families: Sequence[str], sharing: str) -> dict[str, Any]:
    expressions = [
        {"key": "nvidia.com/gpu.present", "operator": "In", "values": ["true"]},
        {"key": "nvidia.com/gpu.family", "operator": operator, "values": list(families)},
        {"key": SHARING_LABEL, "operator": sharing, "values": [WHOLE]},
    ]
    terms = [{"matchExpressions": expressions}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
