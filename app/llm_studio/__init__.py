"""A terminal workstation for serving large language models on your own GPUs."""

__version__ = "0.1.0"
