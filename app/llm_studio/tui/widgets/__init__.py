"""Parts that panes are made of. They draw line by line, so that a change costs only its lines."""
