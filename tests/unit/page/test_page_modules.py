"""The page's modules that need no browser, in the Node.js that Playwright brings."""

import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from tests.support.services import CHECKOUT

MODULES = CHECKOUT / "heatmap" / "static" / "heatmap" / "js"
HERE = Path(__file__).parent
# The tests name modules by `page/…`; Node finds that name as a package.
RESOLVE = """
import { registerHooks } from "node:module";
registerHooks({
  resolve: (name, context, next) =>
    next(name.startsWith("page/") ? name.replace("page/", "%s/") : name, context),
});
"""


@pytest.mark.parametrize("path", sorted(HERE.glob("*.test.js")), ids=lambda path: path.name)
def test_modules(path: Path, tmp_path: Path) -> None:
    hook = tmp_path / "resolve.mjs"
    hook.write_text(RESOLVE % MODULES.as_uri())
    node, _ = compute_driver_executable()
    done = subprocess.run(
        [node, "--import", hook.as_uri(), "--test", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pass 0" not in done.stdout
