"""`python -m tests.differential DIALECT SEED [SEED]` compares one stream, or a range, and shows what differs."""

import sys
import time
from collections import Counter
from contextlib import closing

from tests.differential.backend import Stage
from tests.differential.comparing import Comparison


def main(dialect: str, first: int, last: int) -> None:
    kinds, began = Counter[str](), time.perf_counter()
    with Stage() as stage, closing(Comparison(stage)) as comparison:
        for seed in range(first, last + 1):
            if found := comparison.of(dialect, seed):
                kinds[f"{found.format}: {', '.join(sorted(found.stream.strange))}"] += 1
                print(f"\n{dialect} {seed}, {found}", flush=True)
    print(f"\n{last + 1 - first} streams, {time.perf_counter() - began:.0f} s, {kinds.total()} differ")
    for kind, count in kinds.most_common():
        print(f"{count:5} {kind}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[-1]))
