"""How fast and how right the program itself is: `make bench` runs them all."""
