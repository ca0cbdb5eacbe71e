"""What the machine and the engine did, second by second: read, watched and kept."""
