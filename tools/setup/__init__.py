"""Sets up the workshop: `.venv` with the locked packages, Node, and the npm tools; and Kubo.

Run from the checkout as `python3 -m tools.setup` with any Python from 3.9 on (`make setup` does);
`python3 -m tools.setup kubo` then sees to `ipfs`, which only tests, story and bench need (`make kubo`).
Nothing but the standard library is imported. Downloads are kept outside the checkout, in
`${XDG_CACHE_HOME:-~/.cache}/consentry`. A second run finds its stamp and ends at once.

- `base`: the checkout's folders, one line of output, running a program.
- `keep`: what must never be seen half: files, archives, and folders that heal.
- `python`: the interpreter, `.venv`, and the packages of uv.lock.
- `node`: Node and the tools of tools/package.json.
- `kubo`: the `ipfs` on PATH, or one built by Go from tools/kubo.
"""
