"""The SDKs in a folder of their own, as the lock files say.

A client is called by its language and version. What its `worker` understands is in `node/worker.mjs`; a client in
another language is a program that understands the same.
"""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent


class Installation:
    """`folder` is filled on demand, and used as it is where it has been filled before."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def worker(self, client, url, name):
        return [*self._program(client, "worker"), client.partition("-")[2], url, name]

    def quick_start(self, client):
        return self._program(client, "quick_start")

    def _program(self, client, name):
        language, _, version = client.partition("-")
        if language == "node":
            return ["node", str(self._node() / f"{name}.mjs")]
        if language == "rust":
            return [str(self._rust() / name)]
        return [str(self._python(version)), "-B", str(HERE / "python" / f"{name}.py")]

    def _node(self):
        folder = self.folder / "node"
        if not (folder / "installed").exists():
            shutil.copytree(HERE / "node", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
            run(["npm", "ci"], folder)
            (folder / "installed").touch()
        # Modules are looked for beside the program that imports them.
        for program in (HERE / "node").glob("*.mjs"):
            shutil.copy(program, folder)
        return folder

    def _python(self, version):
        folder = self.folder / f"python-{version}"
        python = folder / "bin" / "python"
        if not (folder / "installed").exists():
            run([sys.executable, "-m", "venv", "--clear", str(folder)])
            requirements = HERE / "python" / f"requirements-{version}.txt"
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([*pip, "--require-hashes", "-r", str(requirements)])
            (folder / "installed").touch()
        return python

    @functools.cache
    def _rust(self):
        target = self.folder / "rust"
        manifest = HERE / "rust" / "Cargo.toml"
        run(["cargo", "build", "--locked", "--manifest-path", str(manifest), "--target-dir", str(target)])
        return target / "debug"


def run(command, folder=None):
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True, timeout=1800)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
