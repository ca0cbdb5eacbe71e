"""Stand-ins for what a test machine lacks, real model files and GPUs, for an unchanged engine."""
