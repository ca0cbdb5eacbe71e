"""`python -m llm_studio` is `llm-studio`."""

import sys

from llm_studio.cli import main

sys.exit(main())
