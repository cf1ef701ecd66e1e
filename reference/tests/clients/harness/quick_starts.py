"""The shortest workers there are, and that the README shows them."""

import subprocess

from .installation import HERE
from .processes import environment
from .stage import Stage
from .waiting import demand, same

README = HERE.parents[2] / "README.md"
# What a fenced block of the README calls the language, the file, and what installs the SDK.
LANGUAGES = {
    "node-0.22.1": ("js", HERE / "node" / "quick_start.mjs", "npm install iii-sdk@0.22.1"),
    "python-0.25.0": ("python", HERE / "python" / "quick_start.py", "pip install iii-sdk==0.25.0"),
    "rust-0.25.0": ("rust", HERE / "rust" / "src" / "bin" / "quick_start.rs", "cargo add iii-sdk@0.25.0 "),
}


def the_quick_start_runs(engine, installation, client):
    """the quick start runs"""
    stage = Stage(engine, installation, client)
    try:
        command = installation.quick_start(client)
        variables = environment(stage.scratch.name, III_URL=stage.wire.url)
        done = subprocess.run(
            command, env=variables, cwd=stage.scratch.name, text=True, capture_output=True, timeout=60
        )
        same(done.returncode, 0, f"the exit code, with {done.stderr!r}")
        demand("Hello, Ada!" in done.stdout, f"no greeting in {done.stdout!r}")
        stage.engine.logged("registered function `greet`")
    finally:
        stage.close()


def the_readme_shows_it(_engine, _installation, client):
    """the README shows the very file"""
    language, file, install = LANGUAGES[client]
    readme = README.read_text()
    demand(f"```{language}\n{file.read_text()}```" in readme, f"the README has no block with {file.name} as it is")
    demand(install in readme, f"the README does not say {install!r}")


ALL = [the_quick_start_runs, the_readme_shows_it]
