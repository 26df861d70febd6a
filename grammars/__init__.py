"""Grammars: text of a schema, a regex or a context-free grammar -> Grammar -> ByteAutomaton.

Knows no tokenizer and no model. The walk: a front end (`grammars.frontends`) reads text into the nodes of
`grammars.ir`, and `grammars.compile.compile_grammar` makes the automaton of them.
"""
