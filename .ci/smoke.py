"""What an installed wheel must do without torch: compile, mask, advance, check. Run outside the checkout."""

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

print(f"gcd {version('gcd-decoding')} in {sys.prefix}: fine")
