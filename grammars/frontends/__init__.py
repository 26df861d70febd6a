"""Front ends: each reads one kind of text into a `grammars.ir.Grammar`."""
