"""Packages of Python environments that do not fit the driver, the GPU, or each other."""

from __future__ import annotations

from tests.probes.doctor.case import FAULT, WARNING, case
from tests.probes.doctor.faults_gpu import amd
from tests.probes.doctor.machine import SITE, Machine, gpu

# Python environments

PIP = "/home/ada/project/.venv/bin/python -m pip install --force-reinstall"
TORCH = f"{PIP} torch --index-url https://download.pytorch.org/whl"


@case("python.torch", WARNING, "built for the processor", f"{TORCH}/cu130")
def _(m: Machine) -> None:
    m.torch("2.9.0+cpu", None)


@case("python.torch", WARNING, "built for ROCm", f"{TORCH}/cu130")
def _(m: Machine) -> None:
    m.torch("2.9.0+rocm6.4", None, hip="6.4.4")


@case("python.torch", FAULT, "the driver 550.54 offers CUDA 12.4", f"{TORCH}/cu126")
def _(m: Machine) -> None:
    m.driver |= {"driver": "550.54", "cuda": 12040, "gpus": [gpu("RTX 4090", (8, 9))]}
    m.torch("2.9.1+cu130", "13.0")


@case("python.torch", FAULT, "offers CUDA 11.4", f"{TORCH}/cu118")
def _(m: Machine) -> None:
    m.driver |= {"driver": "470.82", "cuda": 11040, "gpus": [gpu("RTX 3090", (8, 6))]}


@case("python.torch", FAULT, "offers CUDA 10.2", "sudo ubuntu-drivers install")
def _(m: Machine) -> None:
    m.driver |= {"driver": "440.33", "cuda": 10020, "gpus": [gpu("RTX 2080", (7, 5))]}


@case("python.torch", FAULT, "no code for GPU 1 (NVIDIA GeForce RTX 5070 Ti)", f"{TORCH}/cu130")
def _(m: Machine) -> None:
    m.torch("2.6.0+cu124", "12.4")


@case("python.torch", FAULT, "no code for GPU 0 (NVIDIA GTX 1080 Ti)", f"{TORCH}/cu126")
def _(m: Machine) -> None:
    m.driver["gpus"] = [gpu("GTX 1080 Ti", (6, 1))]


@case("python.torch", WARNING, "but the GPU is AMD's", f"{TORCH}/rocm6.4")
def _(m: Machine) -> None:
    amd(m)


@case(
    "python.torch", FAULT, "torchvision 0.21.0 is made for torch 2.6.0, but torch 2.9.0",
    f"{PIP} torch torchvision --index-url https://download.pytorch.org/whl/cu128",
)  # fmt: skip
def _(m: Machine) -> None:
    m.package("torchvision", "0.21.0", needs=["torch==2.6.0"])


@case(
    "python.torch", FAULT, "torchaudio 2.9.0+cu130 is built for CUDA 13",
    f"{PIP} torch torchaudio --index-url https://download.pytorch.org/whl/cu128",
)  # fmt: skip
def _(m: Machine) -> None:
    m.package("torchaudio", "2.9.0+cu130", needs=["torch==2.9.0"])


@case(
    "python.torch", FAULT, "vllm 0.11.0 is made for torch 2.8.0",
    f"{PIP} torch==2.8.0 --index-url https://download.pytorch.org/whl/cu128",
)  # fmt: skip
def _(m: Machine) -> None:
    m.package("vllm", "0.11.0", needs=["numpy", "torch==2.8.0", "torchaudio==2.8.0"])


@case(
    "python.torch", WARNING, "/home/ada/.local/share/uv/tools/vllm (uv tool): torch 2.9.0",
    "uv pip install --python /home/ada/.local/share/uv/tools/vllm --reinstall torch --index-url "
    "https://download.pytorch.org/whl/cu130",
)  # fmt: skip
def _(m: Machine) -> None:
    prefix = "/home/ada/.local/share/uv/tools/vllm"
    m.venv(prefix, uv=True)
    m.torch("2.9.0+cpu", None, site=f"{prefix}/lib/python3.12/site-packages")


@case(
    "python.torch", WARNING, "/home/ada/miniconda3/envs/ml (conda): torch 2.5.1",
    "conda install -y -p /home/ada/miniconda3/envs/ml -c conda-forge pytorch-gpu 'cuda-version=13'",
)  # fmt: skip
def _(m: Machine) -> None:
    site = "/home/ada/miniconda3/envs/ml/lib/python3.11/site-packages"
    m.torch("2.5.1", None, site=site, by="conda")


@case(
    "python.torch", WARNING, "/home/ada/.local (user): torch 2.4.0",
    "python3 -m venv ~/.venv && ~/.venv/bin/pip install torch --index-url "
    "https://download.pytorch.org/whl/cu130",
)  # fmt: skip
def _(m: Machine) -> None:
    m.torch("2.4.0+cpu", None, site="/home/ada/.local/lib/python3.12/site-packages")


@case("python.gpu", FAULT, "onnxruntime and onnxruntime-gpu", f"{PIP} onnxruntime-gpu")
def _(m: Machine) -> None:
    m.package("onnxruntime", "1.23.0")
    m.package("onnxruntime_gpu", "1.23.0")


@case("python.gpu", FAULT, "is built for CUDA 12", f"{PIP} 'onnxruntime-gpu<1.19'")
def _(m: Machine) -> None:
    m.driver |= {"driver": "470.82", "cuda": 11040, "gpus": [gpu("RTX 3090", (8, 6))]}
    m.package("onnxruntime_gpu", "1.22.0")


@case("python.gpu", WARNING, "has no plug-in for CUDA", f'{PIP} "jax[cuda13]"')
def _(m: Machine) -> None:
    m.package("jax", "0.8.0")
    m.package("jaxlib", "0.8.0")


@case("python.gpu", FAULT, "different versions", f'{PIP} "jax[cuda13]"')
def _(m: Machine) -> None:
    m.package("jax", "0.8.0")
    m.package("jaxlib", "0.8.0")
    m.package("jax_cuda12_plugin", "0.7.2")


@case("python.gpu", FAULT, "wants a newer driver", f'{PIP} "jax[cuda12]"')
def _(m: Machine) -> None:
    m.driver |= {"driver": "570.133", "cuda": 12080}
    m.package("jax", "0.8.0")
    m.package("jax_cuda13_plugin", "0.8.0")


@case(
    "python.gpu", FAULT, "flash-attn is made for torch 2.5",
    "/home/ada/project/.venv/bin/python -m pip uninstall -y flash-attn",
)  # fmt: skip
def _(m: Machine) -> None:
    m.package("flash_attn", "2.7.4.post1+cu12torch2.5cxx11abiFALSE")


@case(
    "python.gpu", FAULT, "but no torch",
    "/home/ada/project/.venv/bin/python -m pip uninstall -y flash-attn",
)  # fmt: skip
def _(m: Machine) -> None:
    m.without(f"{SITE}/torch")
    m.package("flash_attn", "2.7.4")


@case("python.gpu", FAULT, "no library for CUDA 12.8", f"{PIP} bitsandbytes")
def _(m: Machine) -> None:
    m.package("bitsandbytes", "0.43.0")
    m.files[f"{SITE}/bitsandbytes/libbitsandbytes_cuda121.so"] = ""


@case(
    "python.gpu", WARNING, "llama-cpp-python is built without CUDA",
    f"{PIP} llama-cpp-python --only-binary llama-cpp-python --extra-index-url "
    "https://abetlen.github.io/llama-cpp-python/whl/cu130",
)  # fmt: skip
def _(m: Machine) -> None:
    m.package("llama_cpp_python", "0.3.16")
    m.files[f"{SITE}/llama_cpp/lib/libggml-cpu.so"] = ""


@case("python.gpu", WARNING, "llama-cpp-python is built without CUDA", f"{PIP} …/whl/cu124")
def _(m: Machine) -> None:
    m.driver["gpus"] = [gpu("GTX 1080 Ti", (6, 1))]
    m.package("llama_cpp_python", "0.3.16")


@case("python.gpu", WARNING, "llama-cpp-python is built without CUDA")
def _(m: Machine) -> None:
    m.driver |= {"driver": "570.133.07", "cuda": 12080}  # its build for CUDA 12 knows no Blackwell
    m.package("llama_cpp_python", "0.3.16")


@case(
    "python.gpu", WARNING, "xllamacpp seems to be built without CUDA",
    f"{PIP} xllamacpp --index-url https://xorbitsai.github.io/xllamacpp/whl/cu128",
)  # fmt: skip
def _(m: Machine) -> None:
    m.package("xllamacpp", "2026.10.11549")
    m.files[f"{SITE}/xllamacpp-2026.10.11549.dist-info/RECORD"] = (
        "xllamacpp/__init__.py,sha256=abc,999\nxllamacpp/xllamacpp.abi3.so,sha256=abc,105964808\n"
    )


@case("python.gpu", WARNING, "is built for the processor", f"{PIP} vllm")
def _(m: Machine) -> None:
    m.package("vllm", "0.11.0+cpu")
