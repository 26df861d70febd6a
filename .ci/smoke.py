"""What an installed wheel must do without torch. Run outside the checkout, with the parts that are wanted:

masks     compile a schema and mask along a text; by machine code unless NUMBA_DISABLE_JIT=1, which takes a minute
kernel    compile one kernel, find it on disk in another process, and say in which folder
commands  run the command and compare its exit codes
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

import gcd

assert Path(gcd.__file__).is_relative_to(sys.prefix), f"this is not the installed package: {gcd.__file__}"
assert "torch" not in sys.modules

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 5}, "age": {"type": "integer", "maximum": 9}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
EOS = 256

KERNEL = """
import numpy as np
from tokenizer_align.kernels import set_tokens

set_tokens(np.zeros(1, np.int32), np.zeros(1, np.int32), 1)
print(sum(set_tokens.stats.cache_hits.values()), set_tokens.stats.cache_path)
"""


def masks() -> str:
    vocabulary = gcd.Vocabulary([*(bytes([byte]) for byte in range(256)), b""], eos_token_ids=[EOS])
    constraint = gcd.compile(schema=SCHEMA, tokenizer=vocabulary)

    def allowed(state: object) -> set[int]:
        """The token ids of the mask."""
        bits = np.unpackbits(constraint.mask(state).view(np.uint8), bitorder="little")
        return set(np.flatnonzero(bits).tolist())

    state = constraint.start
    for byte in b'{"name":"Ada","age":9}':
        assert byte in allowed(state), (byte, allowed(state))
        state = constraint.advance(state, byte)
    assert constraint.is_accepting(state)
    assert allowed(state) == {EOS}
    return "masks are right"


def kernel() -> str:
    done = [
        subprocess.run([sys.executable, "-c", KERNEL], capture_output=True, text=True, check=True) for _ in range(2)
    ]
    assert [one.stderr for one in done] == ["", ""]
    hits, folder = done[1].stdout.rstrip().split(" ", 1)
    assert hits == "1", done
    return f"machine code is kept in {folder}"


def commands() -> str:
    program = Path(sys.executable).with_name("gcd")
    for arguments, code in [
        (["--version"], 0),
        (["--help"], 0),
        (["check", "--regex", "a+", "--instance-text", "aa"], 0),
        (["check", "--regex", "a+", "--instance-text", "b"], 1),
        (["check", "--regex", "(a"], 3),
        (["check", "library:json", "library:sql_select"], 0),
        (["check"], 2),
    ]:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, (arguments, done)
        assert "Traceback" not in done.stderr, done.stderr
    return "commands end as they should"


said = [{"masks": masks, "kernel": kernel, "commands": commands}[part]() for part in sys.argv[1:]]
print(f"gcd {version('gcd-decoding')} in {sys.prefix}: {', '.join(said)}")
