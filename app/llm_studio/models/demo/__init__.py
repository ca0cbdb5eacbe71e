"""The demo model: a real GGUF that the program writes itself, to try everything without a download.

It is no language model. Its chat template chooses what to say (from `script.toml`, by the words of
the question) and writes that, unseen, before the answer; the one attention head that is not zero
then reads it out, byte by byte, at a fixed distance.
"""
