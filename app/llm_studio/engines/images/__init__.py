"""The container images of llama.cpp: got, kept, tested, taken into use and back."""
