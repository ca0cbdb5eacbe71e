"""What is wished is made what is: an engine is prepared, started, watched, asked and ended."""
