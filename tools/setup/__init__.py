"""Sets up the workshop: `.venv` with the locked packages, Node, and the npm tools; and programs in Go.

Run from the checkout as `python3 -m tools.setup` with any Python from 3.9 on (`make setup` does);
`python3 -m tools.setup kubo age analysers medusa` then sees to `ipfs`, which only tests, story and bench need
(`make kubo`), to `age`, which the bench measures beside ours, and to what attacks the contracts
(`make assure`).
Nothing but the standard library is imported. Downloads are kept outside the checkout, in
`${XDG_CACHE_HOME:-~/.cache}/consentry`. A second run finds its stamp and ends at once.

- `base`: the checkout's folders, one line of output, running a program.
- `keep`: what must never be seen half: files, archives, and folders that heal.
- `python`: the interpreter, `.venv`, and the packages of uv.lock.
- `node`: Node and the tools of tools/package.json.
- `golang`: `ipfs`, `age` and `medusa`: the one on PATH, or built by Go from the go.mod in tools/.
- `analysers`: slither and halmos, as tools/analysers/uv.lock names them.
"""
