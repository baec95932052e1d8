"""Draw the README's picture from a finished demo.

make demo && python docs/images/make_images.py [--home .llmrg] [--user reader-001]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from llmrg.data.demo_set import load_demo
from llmrg.sdk import Project


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--home", type=Path, default=Path(".llmrg"))
    options.add_argument("--user", default="reader-001")
    chosen = options.parse_args()
    with Project(load_demo(), home=chosen.home) as project:
        print(project.show(chosen.user).save(Path(__file__).parent / "demo.svg"))


if __name__ == "__main__":
    main()
