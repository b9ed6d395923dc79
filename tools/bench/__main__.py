"""`make bench`: every benchmark, one table each. Names of some as arguments run only those."""

import os
import platform
import subprocess
import sys
from pathlib import Path

BENCHMARKS = sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def main() -> None:
    chosen = sys.argv[1:] or BENCHMARKS
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    print(f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}\n", flush=True)
    for name in chosen:
        subprocess.run([sys.executable, "-m", f"tools.bench.{name}"], check=True)
        print(flush=True)


if __name__ == "__main__":
    main()
