"""compile_grammar: the only road from a Grammar to a ByteAutomaton.

Place in the walk: Grammar -> survey -> **automaton**, whose rules are built when they are entered. Whatever may be
wrong with a grammar is raised here: the survey reads every rule that can be reached, and a rule of which only building
shows whether it keeps to the limits is built at once.
"""

from __future__ import annotations

from grammars.automaton import ByteAutomaton
from grammars.builder import Builder
from grammars.collection import collection_paused
from grammars.errors import EmptyLanguage
from grammars.ir import Grammar
from grammars.limits import Limits
from grammars.survey import Survey

__all__ = ["Limits", "compile_grammar"]


_LIMITS = Limits()


@collection_paused()
def compile_grammar(grammar: Grammar, *, limits: Limits | None = None) -> ByteAutomaton:
    """The automaton that accepts exactly the strings of the grammar.

    Raises `InvalidGrammar` for an undefined rule, `EmptyLanguage` when there is no string at all,
    `UnsupportedFeature` and `LimitExceeded` as their names say.

    >>> compile_grammar(Grammar({"start": Repeat(Bytes(b"ab"), 1, 2)})).accepts(b"abab")
    True
    """
    if limits is not None and grammar.later is not None:  # whose promises are about the usual ones
        grammar.later.make_all()
    survey = Survey(grammar, limits or _LIMITS)
    if not survey.facts[grammar.start]:
        raise EmptyLanguage(
            "no text satisfies this grammar", hint="every alternative of its start contradicts itself or never ends"
        )
    return ByteAutomaton(Builder(survey))
