"""The machine in numba: one step of a configuration, and walks over bytes and over the vocabulary trie.

Place in the walk: ByteAutomaton × Trie -> masks. Plain functions on one context (`tokenizer_align.context`), whose
arrays Python owns and grows (`tokenizer_align.arena`). All kernels that call one another share this file; those that
make the tables of leaves are in `tokenizer_align.leaf_kernels`.

**Records.** Stack sets and configurations are records in one heap, hash-consed, so that equal sets are one number:

    record = [kind, n, flag, cost, hash, 8 words of bytes (configurations only), n x (state, counter, stack)]

A stack set holds n frames (return state, counter, parent stack set), sorted; its flag is 1 when the empty stack is
among its stacks. A configuration holds n items (state, counter, stack set), sorted; its flag is 1 when the text so
far is in the language, and bit b of its bytes is set when one of its items has an edge for byte b. `cost` is the number
of tokens that suffice to end from here, -1 while nobody has asked. The number of a record is its place in the heap, so
the parents of a stack set have smaller numbers than the set itself. A register of `grammars.members` is a record too,
with flag 1 and plain words for triples: the entries written, the required members among them, and either how many
members are decided or a bit for each that is. The register of no entries is 0: the heap begins with so many zeros.

**Transitions** are remembered in a hash table (configuration, symbol) -> configuration, `DEAD` where a window dies.

**Status.** A kernel that could not go on returns a negative status and leaves only complete records behind, so that it
can be called again: `FULL` when the heap or its hash table must grow, `FULL_STEPS` when the table of transitions must,
`CROWDED` when the memo of unions must, `FULL_RECIPE` when the recipe must, `LIMIT` when a configuration has more items
than the scratch space holds, `WANTS_RULE`, `WANTS_LEAF` and `WANTS_ROW` when Python has to build the rule, the leaf
table or the row in `c[WANTED]`.

**Openings** (`grammars.openings`). An object that has an opening is entered through it, written or not: as an item of
the opening, whose counter is the number of the object's rule, and which costs what the same state of that rule does.
Behind the quote of a key that is the last state of the opening, of which nothing is known: every byte may follow. A
configuration with such an item is taken for the one that `opened` finds for it, and remembers by the symbol `OPENED`,
before it is read. While there are costs, no step leads to such a one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grammars.tables import (
    CALL_COLUMNS,
    CALL_RETURN,
    CALL_RULE,
    DEFAULT,
    EDGE_COLUMNS,
    EDGE_HIGH,
    EDGE_LOW,
    EDGE_TICK,
    EDGE_TO,
    FEWEST,
    FEWEST_PERIOD,
    FEWEST_SLOPE,
    FEWEST_WIDTH,
    FIRST_CALL,
    FIRST_EDGE,
    LENGTHS,
    LENGTHS_PERIOD,
    LENGTHS_WIDTH,
    MEMBERS_AT,
    MEMBERS_COUNT,
    MOST_IN_ANY_ORDER,
    OPEN,
    OPENING_BRACKET,
    OPENING_KEY,
    ORDERED,
    REGISTER_FLAGS,
    REGISTER_HIGH,
    REGISTER_LOW,
    REGISTER_REQUIRED,
    RULE_COLUMNS,
    RULE_DISTINCT,
    RULE_KIND,
    RULE_MAX,
    RULE_MIN,
    RULE_OPENING,
    RULE_START,
    STATE_COLUMNS,
    STATE_FINAL,
    STATE_RULE,
)
from tokenizer_align.context import Context, octets, table, words
from tokenizer_align.jit import inlined, kernel

Int32 = NDArray[np.int32]
if TYPE_CHECKING:
    Int = int
else:
    Int = np.int64  # what kernels compute with: one width, so that each kernel is compiled once

# Slots of a context: arrays take two. First the numbers.
ITEMS_USED = 0  # items of the configuration that is being made
QUEUED = 1
TOP = 2  # of the buffer
BUSY = 3  # bit 0: an item may end its rule, bit 1: an item calls a rule
HEAP_TOP = 4  # the first free word of the heap
RECORDS = 5
STEPS = 6  # transitions remembered
WANTED = 7  # what a WANTS_... status asks for
SETTLED = 8  # 1 when records are given their cost
ACCEPTS_EMPTY = 9
GRADE = 10  # of the row that `WANTS_ROW` asks for
RULES = 11  # the automaton's tables
STATES = 13
EDGES = 15
CALLS = 17
LENGTH_TABLES = 19
HEAP = 21  # records
TABLE = 23  # hash table of record numbers, 0 for empty, a power of two long
UNIONS = 25  # (2**k, 3) memo of unions: left, right, result; an entry may be overwritten
STEP_TABLE = 27  # (2**k, 3) hash table of transitions: configuration (0 for empty), symbol, configuration
ITEMS = 29  # (n, 5) items being closed: state, counter, stack, 1 + the item before of the same state, queued
MARK = 31  # (S,) 1 + the newest item of that state, 0 for none
QUEUE = 33  # (n,)
BUFFER = 35  # frames and items of records being made; a stack
FRAMES = 37  # (n, 5) calls of `_union` in progress
PATH = 39  # (depth + 2, 4) of a walk: configuration or state, next child, end of the children, characters
VETOED = 41  # (n,) trie nodes where a text would complete an excluded key
STATE_COST = 43  # (S,) tokens that suffice to the end of the rule, of PLAIN rules
RULE_COST = 45  # (R, 2) tokens that suffice for the whole rule, and from any of its states
HOME = 47  # (R, 3) of a window: a state, the characters of a token that leads from it to itself; see `_window_cost`
WAY_HOME = 49  # (S, 2) of a window's state: bytes to its home and the characters among them, -1 for no way
TRIE_KIDS = 51  # (nodes + 2,) where the children of node - 1 begin in `KIDS`
KIDS = 53  # (nodes,) children, in the order of their bytes
KID_BYTES = 55  # uint8 (nodes,) their bytes
TOKENS_FROM = 57  # (nodes + 1,), TOKENS_TO (nodes,), TOKEN_IDS: see `tokenizer_align.trie`
TOKENS_TO = 59
TOKEN_IDS = 61
BELOW = 85  # (nodes, 12) what is below a node, see `tokenizer_align.leaf_kernels`
TOKENS_BELOW = 87  # (nodes,) where the tokens of the subtree end in TOKEN_IDS
KID_PLAIN = 89  # (nodes,) the longest token in the subtree of each of `KIDS` where all are plain, else 0
KID_LEADS = 91  # (nodes,) which bytes begin characters beyond ASCII in the strings of that subtree
CHARACTERS = 93  # (V,) bytes of a token that begin a character
SPELLING_FROM = 63  # (V + 1,) where the bytes of a token begin in `SPELLINGS`
SPELLINGS = 65  # uint8
LEAF_OF = 67  # (S,) the leaf table of a state: 0 when nobody has asked, -1 for none, -k to ask again after k - 2 masks
LEAVES = 69  # (L, 5) largest grade, first of its ROW_SLOTS, first and number of its ENDINGS, first of its EXIT_BYTES
ROW_SLOTS = 71  # 1 + the row of each grade in ROWS, 0 while nobody has asked
ROWS = 73  # (n, words) bitmasks
ENDINGS = 75  # (n, 2) of windows: trie nodes where the leaf may end or can read no other character, and those read
EXITS = 77  # (n, 3) children of nodes where the leaf may end, by byte; the characters read; the node where it ends
EXIT_BYTES = 79  # where in EXITS the children of each byte begin
CHOICES = 81  # (S, 3) the cheapest way to the end of a rule: symbol and target, or -1 and a call, or -1 and -1
MEMBER_COST = 83  # (L,) of the lists in LENGTH_TABLES, see `_members_cost`
END_TOKENS = 95  # the tokens that end a text
DIGEST = 97  # of the row that was written last
RECIPE = 98  # (n,) what a row is made of, see `write`
RECIPE_LENGTH = 100  # the words of it
SLOTS = 101

NOWHERE = 0
DEAD = -1
FULL = -2
LIMIT = -3
CROWDED = -4
FULL_STEPS = -5
WANTS_RULE = -6
WANTS_LEAF = -7
WANTS_ROW = -8
FULL_RECIPE = -9

STACK = 1
CONFIGURATION = 2
DECIDED = 3  # a register
HEADER = 5
BYTE_WORDS = 8
FIRST_ITEM = HEADER + BYTE_WORDS
FIRST_RECORD = HEADER + 2 + (MOST_IN_ANY_ORDER + 31) // 32 + 3
NEVER = 2**30  # no length, no upper bound
TOO_MANY = 2**29  # costs stop here
NO_BUDGET = 2**30
RETURNED = 1 << 20  # the "symbol" of a transition from a stack set to what follows a rule that ends on it
OPENED = 1 << 21  # that of one from a configuration to the same one with its objects written
END_OF_TEXT = -(1 << 30)  # in a recipe, the tokens that end a text

PLAIN = 0
REPEAT = 1
WINDOW = 2
OPENING = 3
MEMBERS = 4
REGISTER = 5


# -- windows -----------------------------------------------------------------------------------------------------------


@kernel
def _next_length(c: Context, state: int, least: int) -> int:
    """The least accepted remaining length >= least of a window's state (`grammars.lengths`)."""
    rules, states = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    rule = Int(states[state, STATE_RULE])
    width = Int(rules[rule, LENGTHS_WIDTH])
    period = Int(rules[rule, LENGTHS_PERIOD])
    folded = least
    if least >= width:
        folded = width - period + (least - width) % period
    entry = Int(rules[rule, LENGTHS]) + (state - Int(rules[rule, RULE_START])) * width + folded
    found = Int(words(c, LENGTH_TABLES)[entry])
    if found >= NEVER:
        return NEVER
    return found + least - folded


@inlined
def _alive(c: Context, state: int, counter: int) -> bool:
    """Whether a window can still end with a permitted number of characters."""
    rules = table(c, RULES, RULE_COLUMNS)
    rule = Int(table(c, STATES, STATE_COLUMNS)[state, STATE_RULE])
    most = Int(rules[rule, RULE_MAX])
    found = _next_length(c, state, max(0, Int(rules[rule, RULE_MIN]) - counter))
    return found < NEVER and (most >= NEVER or found <= most - counter)


@kernel
def _fewest_bytes(c: Context, state: int, counter: int) -> int:
    """The fewest bytes to a permitted end of a window, over all numbers of characters that may still follow."""
    rules = table(c, RULES, RULE_COLUMNS)
    rule = Int(table(c, STATES, STATE_COLUMNS)[state, STATE_RULE])
    most = NEVER if rules[rule, RULE_MAX] >= NEVER else Int(rules[rule, RULE_MAX]) - counter
    width, period = Int(rules[rule, FEWEST_WIDTH]), Int(rules[rule, FEWEST_PERIOD])
    best = TOO_MANY
    length = _next_length(c, state, max(0, Int(rules[rule, RULE_MIN]) - counter))
    while length <= most and length < best:  # a character is at least one byte
        folded = length
        turns = 0
        if length >= width:
            turns = (length - width) // period + 1
            folded = length - turns * period
        entry = Int(rules[rule, FEWEST]) + (state - Int(rules[rule, RULE_START])) * width + folded
        best = min(best, Int(words(c, LENGTH_TABLES)[entry]) + turns * Int(rules[rule, FEWEST_SLOPE]))
        length = _next_length(c, state, length + 1)
    return best


@kernel
def _window_cost(c: Context, state: int, counter: int) -> int:
    """Tokens that suffice to a permitted end of a window: byte by byte, or first home and round there by long tokens.

    At home one token reads many characters and comes back; as many of them as fit below the lower bound, then bytes.
    """
    best = _fewest_bytes(c, state, counter)
    rules = table(c, RULES, RULE_COLUMNS)
    rule = Int(table(c, STATES, STATE_COLUMNS)[state, STATE_RULE])
    home, stride = Int(table(c, HOME, 3)[rule, 0]), Int(table(c, HOME, 3)[rule, 1])
    way, ticks = Int(table(c, WAY_HOME, 2)[state, 0]), Int(table(c, WAY_HOME, 2)[state, 1])
    if stride > 1 and way >= 0:
        there = counter + ticks
        rounds = max(0, Int(rules[rule, RULE_MIN]) - there) // stride
        if rounds > 0:
            best = min(best, way + rounds + _fewest_bytes(c, home, there + rounds * stride))
    return min(best, TOO_MANY)


# -- members -----------------------------------------------------------------------------------------------------------


@kernel
def _decided(c: Context, rule: int, state: int, counter: int) -> int:
    """The number of decided members when a state of their rule is entered, -1 where it may not be; `grammars.members`.

    A state < 0 is behind a tail call, which ends the object.
    """
    rules, order = table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES)
    at, members = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT])
    most = Int(order[at + counter])
    if state < 0:
        return counter if most == members else -1
    pair = at + members + 1 + 2 * (state - Int(rules[rule, RULE_START]))
    first, count = Int(order[pair]), Int(order[pair + 1])
    if count < 0:
        return min(first + 1, members) if counter <= first <= most else -1
    if count == 0:
        return counter
    low, high = at + first, at + first + count - 1
    while low < high:  # the first member in the list that is not decided yet
        middle = (low + high) // 2
        if order[middle] < counter:
            low = middle + 1
        else:
            high = middle
    return counter if counter <= order[low] <= most else -1


@inlined
def _members_cost(c: Context, rule: int, state: int, counter: int) -> int:
    """Tokens that suffice to the end of an object: to the end of a member, then all required ones that are not decided.

    `MEMBER_COST` has, where the table of the members has the first required one, the cost of those and of the end;
    and where it has a member in the list of a state, the cost from there to the end of that member.
    """
    rules, order, costs = table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES), words(c, MEMBER_COST)
    at, members = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT])
    pair = at + members + 1 + 2 * (state - Int(rules[rule, RULE_START]))
    first, count, most = Int(order[pair]), Int(order[pair + 1]), Int(order[at + counter])
    if count <= 0:
        return min(TOO_MANY, Int(words(c, STATE_COST)[state]) + Int(costs[at + counter]))
    best = TOO_MANY
    for place in range(at + first, at + first + count):
        member = Int(order[place])
        if counter <= member <= most:
            best = min(best, Int(costs[place]) + (Int(costs[at + member + 1]) if member < members else 0))
    return best


@inlined
def _with_member(c: Context, rule: int, register: int, member: int) -> int:
    """The register after one more entry, or a status."""
    heap, rules, order = words(c, HEAP), table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES)
    at, members, flags = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT]), rules[rule, REGISTER_FLAGS]
    low, high = Int(rules[rule, REGISTER_LOW]), Int(rules[rule, REGISTER_HIGH])
    entries, written = Int(heap[register + HEADER]), Int(heap[register + HEADER + 1])
    if entries < (low if high >= NEVER else high):
        entries += 1
    elif member == members and flags & ORDERED == 0:
        return register
    if member < members and order[at + member] == member:
        written += 1
    size = 1 if flags & ORDERED else (members + 31) >> 5
    begin, word = Int(c[TOP]), Int(-2)
    while word < size:
        if not _push(c, Int(0), Int(0), Int(0)):
            return LIMIT
        word += 3
    buffer = words(c, BUFFER)
    buffer[begin], buffer[begin + 1] = entries, written
    if flags & ORDERED:
        buffer[begin + 2] = min(member + 1, members)
    else:
        for word in range(size):
            buffer[begin + 2 + word] = heap[register + HEADER + 2 + word]
        if member < members:
            buffer[begin + 2 + (member >> 5)] |= np.int32(1) << np.int32(member & 31)
    return _intern(c, Int(DECIDED), Int(1), begin)


@kernel
def _entered(c: Context, rule: int, state: int, counter: int) -> int:
    """The counter when a state of an object is entered, `DEAD` where it may not be, or a status."""
    rules, order = table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES)
    if rules[rule, RULE_KIND] == MEMBERS:
        return _decided(c, rule, state, counter)
    at, members = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT])
    if state < 0:
        return counter if _may_follow(c, rule, counter, members + 1) else DEAD
    pair = at + members + 1 + 2 * (state - Int(rules[rule, RULE_START]))
    first, count = Int(order[pair]), Int(order[pair + 1])
    if count < 0:
        return _with_member(c, rule, counter, first) if _may_follow(c, rule, counter, first) else DEAD
    for place in range(at + first, at + first + count):
        if _may_follow(c, rule, counter, Int(order[place])):
            return counter
    return DEAD if count > 0 else counter


@kernel
def _may_follow(c: Context, rule: int, register: int, member: int) -> bool:
    """Whether a member may be the next entry, n for one of the others, or n + 1 for the end."""
    heap, rules, order = words(c, HEAP), table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES)
    at, members, flags = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT]), rules[rule, REGISTER_FLAGS]
    low, entries = Int(rules[rule, REGISTER_LOW]), Int(heap[register + HEADER])
    missing = Int(rules[rule, REGISTER_REQUIRED]) - Int(heap[register + HEADER + 1])
    if member > members:
        return missing == 0 and entries >= low
    others = missing - 1 if member < members and order[at + member] == member else missing
    if entries + others >= rules[rule, REGISTER_HIGH]:
        return False
    if flags & ORDERED:
        decided = Int(heap[register + HEADER + 2])
        enough = flags & OPEN or member == members or entries + members - member >= low
        return bool(decided <= member <= order[at + decided] and enough)
    return member == members or not _is_decided(c, rule, register, member)


@inlined
def _register_cost(c: Context, rule: int, state: int, register: int) -> int:
    """Tokens that suffice to the end of an object with a register: to the end of an entry, then all that is missing.

    That is the required members, and so many others as the lower bound asks for: open keys, else the cheapest members.
    `MEMBER_COST` has the cost of an open entry in front, then those of all members and of the end.
    """
    rules, order = table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES)
    costs = words(c, MEMBER_COST)
    at, members, flags = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT]), rules[rule, REGISTER_FLAGS]
    heap = words(c, HEAP)
    missing = Int(rules[rule, REGISTER_REQUIRED]) - Int(heap[register + HEADER + 1])
    others = max(0, Int(rules[rule, REGISTER_LOW]) - Int(heap[register + HEADER]) - missing)
    left = Int(costs[at + members])
    for member in range(members if missing > 0 else 0):
        if order[at + member] == member and not _is_decided(c, rule, register, Int(member)):
            left += Int(costs[at + member])
    cheapest, last = others * Int(costs[at - 1]), Int(costs[at - 1])
    if others > 0 and flags & OPEN == 0:
        cheapest = _cheapest(c, rule, register, Int(0), others)
        last = cheapest - _cheapest(c, rule, register, Int(0), others - 1)
    pair = at + members + 1 + 2 * (state - Int(rules[rule, RULE_START]))
    first, count = Int(order[pair]), Int(order[pair + 1])
    if count <= 0:
        return min(TOO_MANY, Int(words(c, STATE_COST)[state]) + left + cheapest)
    best = TOO_MANY
    for place in range(at + first, at + first + count):
        member = Int(order[place])
        if not _may_follow(c, rule, register, member):
            continue
        cost = Int(costs[place])
        if member <= members:
            cost += left
            is_required = member < members and order[at + member] == member
            wanted = others if is_required else max(0, others - 1)
            if is_required:
                cost -= Int(costs[at + member])
            if flags & OPEN:
                cost += wanted * last
            elif flags & ORDERED:
                cost += _cheapest(c, rule, register, member + 1, wanted)
            elif wanted < others:
                cost += cheapest - min(last, Int(costs[at + member]))
            else:
                cost += cheapest
        best = min(best, cost)
    return best


@kernel
def _cheapest(c: Context, rule: int, register: int, first: int, count: int) -> int:
    """What the cheapest of the members cost that are neither decided nor required, from a member on."""
    rules, order, costs = table(c, RULES, RULE_COLUMNS), words(c, LENGTH_TABLES), words(c, MEMBER_COST)
    at, members = Int(rules[rule, MEMBERS_AT]), Int(rules[rule, MEMBERS_COUNT])
    total, taken, before = Int(0), Int(0), Int(-1)
    while taken < count:  # those of the next cost, of which there may be several
        least, many = TOO_MANY, Int(0)
        for member in range(first, members):
            cost = Int(costs[at + member])
            if cost <= before or cost > least or order[at + member] == member:
                continue
            if not _is_decided(c, rule, register, Int(member)):
                many = many + 1 if cost == least else 1
                least = cost
        if many == 0 or least >= TOO_MANY:
            return TOO_MANY
        total += least * min(many, count - taken)
        taken += many
        before = least
    return total


@kernel
def _is_decided(c: Context, rule: int, register: int, member: int) -> bool:
    """Whether a register says that a member is decided."""
    heap, decided = words(c, HEAP), register + HEADER + 2
    if table(c, RULES, RULE_COLUMNS)[rule, REGISTER_FLAGS] & ORDERED:
        return bool(member < heap[decided])
    return bool(heap[decided + (member >> 5)] >> (member & 31) & 1)


# -- records -----------------------------------------------------------------------------------------------------------


@inlined
def _cost(c: Context, state: int, counter: int) -> int:
    """Tokens that suffice from an item to the end of its rule."""
    rules = table(c, RULES, RULE_COLUMNS)
    states = table(c, STATES, STATE_COLUMNS)
    rule = Int(states[state, STATE_RULE])
    if rules[rule, RULE_KIND] == PLAIN:
        return Int(words(c, STATE_COST)[state])
    if rules[rule, RULE_KIND] == REPEAT:
        first = Int(states[Int(rules[rule, RULE_START]), FIRST_CALL])
        item = Int(table(c, CALLS, CALL_COLUMNS)[first, CALL_RULE])
        return min(TOO_MANY, max(0, Int(rules[rule, RULE_MIN]) - counter) * Int(table(c, RULE_COST, 2)[item, 0]))
    if rules[rule, RULE_KIND] == MEMBERS:
        return _members_cost(c, rule, state, counter)
    if rules[rule, RULE_KIND] == OPENING:  # all rules are written when there are costs
        if _is_waiting(c, state):
            return TOO_MANY
        state += Int(rules[counter, RULE_START]) - Int(rules[rule, RULE_START])
        return _members_cost(c, counter, state, Int(0))
    if rules[rule, RULE_KIND] == REGISTER:
        return _register_cost(c, rule, state, counter)
    return _window_cost(c, state, counter)


@kernel
def _record_cost(c: Context, record: int) -> int:
    """The cost of a record from the costs of the stacks of its items, which must have been given before."""
    heap = words(c, HEAP)
    if heap[record + 2] == 1:
        return 0
    at = record + (FIRST_ITEM if heap[record] == CONFIGURATION else HEADER)
    cost = TOO_MANY
    for _ in range(heap[record + 1]):
        cost = min(cost, _cost(c, Int(heap[at]), Int(heap[at + 1])) + Int(heap[Int(heap[at + 2]) + 3]))
        at += 3
    return cost


@kernel
def settle_records(c: Context) -> None:
    """Gives every record its cost, in the order in which they were made: stacks come before what stands on them."""
    heap = words(c, HEAP)
    record = Int(FIRST_RECORD)
    while record < c[HEAP_TOP]:
        heap[record + 3] = _record_cost(c, record)
        record = _following(c, record)
    record = waiting(c, Int(0))
    while record > 0:
        heap[record + 3] = heap[known_step(c, record, Int(OPENED)) + 3]
        record = waiting(c, record)
    steps = table(c, STEP_TABLE, 3)
    for at in range(len(steps)):
        if steps[at, 0] != 0 and steps[at, 2] > 0 and _has_waiting(c, Int(steps[at, 2])):
            steps[at, 2] = known_step(c, Int(steps[at, 2]), Int(OPENED))


@kernel
def _following(c: Context, record: int) -> int:
    """The next record in the heap, or its end."""
    heap = words(c, HEAP)
    return record + (FIRST_ITEM if heap[record] == CONFIGURATION else HEADER) + 3 * Int(heap[record + 1])


@kernel
def waiting(c: Context, record: int) -> int:
    """The first configuration behind a record (0: of all) that `opened` takes for another; 0 when there is none."""
    record = _following(c, record) if record > 0 else Int(FIRST_RECORD)
    while record < c[HEAP_TOP]:
        if words(c, HEAP)[record] == CONFIGURATION and _has_waiting(c, record):
            return record
        record = _following(c, record)
    return Int(0)


@kernel
def _has_waiting(c: Context, configuration: int) -> bool:
    """Whether an item of a configuration is in an object of which nothing is known."""
    heap = words(c, HEAP)
    for at in range(configuration + FIRST_ITEM, configuration + FIRST_ITEM + 3 * heap[configuration + 1], 3):
        if _is_waiting(c, Int(heap[at])):
            return True
    return False


@inlined
def _is_waiting(c: Context, state: int) -> bool:
    """Whether a state is the last one of an opening."""
    states = table(c, STATES, STATE_COLUMNS)
    if table(c, RULES, RULE_COLUMNS)[Int(states[state, STATE_RULE]), RULE_KIND] != OPENING:
        return False
    reads = states[state, FIRST_EDGE] < states[state + 1, FIRST_EDGE]
    calls = states[state, FIRST_CALL] < states[state + 1, FIRST_CALL]
    return not (reads or calls or states[state, STATE_FINAL] == 1)


@inlined
def _hash(kind: int, flag: int, buffer: Int32, begin: int, end: int) -> int:
    mixed = 0x9E3779B1 * (2 * kind + flag) & 0x7FFFFFFF
    for i in range(begin, end):
        mixed = ((mixed ^ (Int(buffer[i]) & 0x7FFFFFFF)) * 0x01000193) & 0x7FFFFFFF
        mixed ^= mixed >> 15
    return mixed


@kernel
def _intern(c: Context, kind: int, flag: int, begin: int) -> int:
    """The record of `kind` with the triples of the buffer from `begin` on; takes them off the buffer."""
    heap, buckets, buffer = words(c, HEAP), words(c, TABLE), words(c, BUFFER)
    top = Int(c[TOP])
    n = (top - begin) // 3
    c[TOP] = begin
    header = FIRST_ITEM if kind == CONFIGURATION else HEADER
    hashed = _hash(kind, flag, buffer, begin, top)
    slot = hashed & (len(buckets) - 1)
    while buckets[slot] != 0:
        record = Int(buckets[slot])
        same = heap[record] == kind and heap[record + 1] == n and heap[record + 2] == flag
        at = record + header
        i = 0
        while same and i < 3 * n:
            same = heap[at + i] == buffer[begin + i]
            i += 1
        if same:
            return record
        slot = (slot + 1) & (len(buckets) - 1)
    record = Int(c[HEAP_TOP])
    if record + header + 3 * n > len(heap) or 2 * (c[RECORDS] + 1) > len(buckets):
        return FULL
    for i in range(3 * n):
        heap[record + header + i] = buffer[begin + i]
    heap[record] = kind
    heap[record + 1] = n
    heap[record + 2] = flag
    heap[record + 4] = hashed
    heap[record + 3] = _record_cost(c, record) if c[SETTLED] == 1 else -1
    if kind == CONFIGURATION:
        for i in range(BYTE_WORDS):
            heap[record + HEADER + i] = 0
        for i in range(n):
            _add_bytes(c, record + HEADER, Int(heap[record + header + 3 * i]))
    c[HEAP_TOP] = record + header + 3 * n
    c[RECORDS] += 1
    buckets[slot] = record
    return record


@kernel
def intern_record(c: Context, kind: int, flag: int, triples: Int32) -> int:
    """The record of `kind` with these triples, one behind the other, or a status."""
    begin = Int(c[TOP])
    for i in range(0, len(triples), 3):
        if not _push(c, Int(triples[i]), Int(triples[i + 1]), Int(triples[i + 2])):
            c[TOP] = begin
            return LIMIT
    return _intern(c, kind, flag, begin)


@inlined
def _add_bytes(c: Context, at: int, state: int) -> None:
    """Sets the bits of the bytes that are on edges of a state, in the 8 words of the heap from `at` on."""
    heap, edges = words(c, HEAP), table(c, EDGES, EDGE_COLUMNS)
    states = table(c, STATES, STATE_COLUMNS)
    if _is_waiting(c, state):
        for word in range(BYTE_WORDS):
            heap[at + word] = -1
    while state >= 0:
        for edge in range(states[state, FIRST_EDGE], states[state + 1, FIRST_EDGE]):
            low, high = Int(edges[edge, EDGE_LOW]), min(255, Int(edges[edge, EDGE_HIGH]))
            if edges[edge, EDGE_TO] < 0:
                continue
            for word in range(low >> 5, (high >> 5) + 1):
                first, last = max(low - 32 * word, 0), min(high - 32 * word, 31)
                bits = ((1 << (last + 1)) - 1) & ~((1 << first) - 1)
                heap[at + word] = np.int32(_signed((Int(heap[at + word]) & 0xFFFFFFFF) | bits))
        state = Int(states[state, DEFAULT])


@kernel
def _signed(word: int) -> int:
    """A word of 32 bits as a signed number."""
    return word - (1 << 32) if word & (1 << 31) else word


@kernel
def _push(c: Context, state: int, counter: int, stack: int) -> bool:
    """Puts a triple on the buffer; False when there is no room."""
    buffer = words(c, BUFFER)
    top = Int(c[TOP])
    if top + 3 > len(buffer):
        return False
    buffer[top] = state
    buffer[top + 1] = counter
    buffer[top + 2] = stack
    c[TOP] = top + 3
    return True


@kernel
def _union(c: Context, left: int, right: int) -> int:
    """The stack set of all stacks of two sets; frames with equal tops are merged, their parents united.

    Recursion over the depth of the stacks, with its own stack: rows of `frames` are
    (left, right, place in left, place in right, begin of the result in the buffer).
    """
    heap, unions, frames = words(c, HEAP), table(c, UNIONS, 3), table(c, FRAMES, 5)
    if left == right:
        return left
    bottom = Int(c[TOP])
    depth = 0
    steps = 0
    returned = 0  # the union that the frame on top was waiting for
    frames[0, 0], frames[0, 1], frames[0, 2], frames[0, 3], frames[0, 4] = left, right, 0, 0, bottom
    while True:
        x, y = Int(frames[depth, 0]), Int(frames[depth, 1])
        i, j = Int(frames[depth, 2]), Int(frames[depth, 3])
        nx, ny = Int(heap[x + 1]), Int(heap[y + 1])
        descend = False
        steps += 1
        if steps > 16 * len(unions):
            c[TOP] = bottom
            return CROWDED
        while i < nx or j < ny:
            p, q = x + HEADER + 3 * i, y + HEADER + 3 * j
            order = 0
            if j >= ny:
                order = -1
            elif i >= nx:
                order = 1
            elif heap[p] != heap[q]:
                order = -1 if heap[p] < heap[q] else 1
            elif heap[p + 1] != heap[q + 1]:
                order = -1 if heap[p + 1] < heap[q + 1] else 1
            source = p if order <= 0 else q
            parent = Int(heap[source + 2])
            if order == 0 and parent != Int(heap[q + 2]):
                if returned == 0:
                    returned = _known_union(c, parent, Int(heap[q + 2]))
                if returned == 0:
                    frames[depth, 2], frames[depth, 3] = i, j
                    depth += 1
                    if depth >= len(frames):
                        c[TOP] = bottom
                        return LIMIT
                    frames[depth, 0], frames[depth, 1] = parent, heap[q + 2]
                    frames[depth, 2], frames[depth, 3], frames[depth, 4] = 0, 0, c[TOP]
                    descend = True
                    break
                parent = returned
                returned = 0
            if not _push(c, Int(heap[source]), Int(heap[source + 1]), parent):
                c[TOP] = bottom
                return LIMIT
            i += 1 if order <= 0 else 0
            j += 1 if order >= 0 else 0
        if descend:
            continue
        returned = _intern(c, Int(STACK), Int(heap[x + 2] | heap[y + 2]), Int(frames[depth, 4]))
        if returned < 0:
            c[TOP] = bottom
            return returned
        slot = _union_slot(c, x, y)
        unions[slot, 0], unions[slot, 1], unions[slot, 2] = min(x, y), max(x, y), returned
        if depth == 0:
            return returned
        depth -= 1


@kernel
def _union_slot(c: Context, left: int, right: int) -> int:
    mixed = (min(left, right) * 0x01000193 + max(left, right) * 0x008DA6B3) & 0x7FFFFFFFFFFF
    return (mixed ^ (mixed >> 17)) & (len(table(c, UNIONS, 3)) - 1)


@kernel
def _known_union(c: Context, left: int, right: int) -> int:
    """The remembered union of two stack sets, 0 when there is none."""
    unions = table(c, UNIONS, 3)
    slot = _union_slot(c, left, right)
    if unions[slot, 0] == min(left, right) and unions[slot, 1] == max(left, right):
        return Int(unions[slot, 2])
    return 0


# -- one step ----------------------------------------------------------------------------------------------------------


@kernel
def _reach(c: Context, state: int, counter: int, stack: int) -> int:
    """Adds an item, or its stacks to the item that is there; queues what changed. Returns 0 or a status."""
    items, mark, queue = table(c, ITEMS, 5), words(c, MARK), words(c, QUEUE)
    item = Int(mark[state]) - 1
    while item >= 0:
        if items[item, 1] == counter:
            before = Int(items[item, 2])
            if stack == before:
                return 0
            merged = _known_union(c, before, stack)
            if merged == 0:
                merged = _union(c, before, stack)
            if merged < 0:
                return merged
            if merged != before:
                items[item, 2] = merged
                if items[item, 4] == 0:
                    items[item, 4] = 1
                    queue[c[QUEUED]] = item
                    c[QUEUED] += 1
            return 0
        item = Int(items[item, 3]) - 1
    item = Int(c[ITEMS_USED])
    if item >= len(items):
        return LIMIT
    items[item, 0] = state
    items[item, 1] = counter
    items[item, 2] = stack
    items[item, 3] = mark[state]
    items[item, 4] = 1
    mark[state] = item + 1
    queue[c[QUEUED]] = item
    c[ITEMS_USED] = item + 1
    c[QUEUED] += 1
    states = table(c, STATES, STATE_COLUMNS)
    if states[state, STATE_FINAL] == 1:
        c[BUSY] |= 1
    if states[state, FIRST_CALL] < states[state + 1, FIRST_CALL]:
        c[BUSY] |= 2
    return 0


@kernel
def _counted(c: Context, rule: int, counter: int) -> int:
    """The counter after one more; without an upper bound it stops at the lower one."""
    rules = table(c, RULES, RULE_COLUMNS)
    if rules[rule, RULE_MAX] >= NEVER and counter >= rules[rule, RULE_MIN]:
        return counter
    return counter + 1


@inlined
def _leave(c: Context) -> int:
    """Leaves every rule that may end, down the stacks. Returns whether the text may end here (1, 0), or a status."""
    heap, items, queue = words(c, HEAP), table(c, ITEMS, 5), words(c, QUEUE)
    rules, states = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    accepting = Int(0)
    while c[QUEUED] > 0:
        c[QUEUED] -= 1
        item = queue[c[QUEUED]]
        items[item, 4] = 0
        state, counter, stack = Int(items[item, 0]), Int(items[item, 1]), Int(items[item, 2])
        rule = Int(states[state, STATE_RULE])
        if states[state, STATE_FINAL] == 0:
            continue
        if rules[rule, RULE_KIND] != PLAIN and (counter < rules[rule, RULE_MIN] or counter > rules[rule, RULE_MAX]):
            continue
        if heap[stack + 2] == 1:
            accepting = 1
        status = _return(c, stack)
        if status < 0:
            return status
    return accepting


@inlined
def _enter(c: Context) -> int:
    """Enters every rule that is called; one that several items call is reached with all their stacks at once.

    So many items cost no union each. The triples of the buffer are (start, counter, stack set). Returns 0 or a status.
    """
    items, queue, calls = table(c, ITEMS, 5), words(c, QUEUE), table(c, CALLS, CALL_COLUMNS)
    rules, states, buffer = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS), words(c, BUFFER)
    for item in range(c[ITEMS_USED]):
        queue[item] = item
        items[item, 4] = 1
    c[QUEUED] = c[ITEMS_USED]
    bottom = Int(c[TOP])
    while c[QUEUED] > 0:
        while c[QUEUED] > 0:
            c[QUEUED] -= 1
            item = queue[c[QUEUED]]
            items[item, 4] = 0
            state, counter, stack = Int(items[item, 0]), Int(items[item, 1]), Int(items[item, 2])
            rule = Int(states[state, STATE_RULE])
            count = counter if rules[rule, RULE_KIND] == OPENING else Int(0)
            if rules[rule, RULE_KIND] == REPEAT:
                if counter >= rules[rule, RULE_MAX]:
                    continue
                count = _counted(c, rule, counter)
            for call in range(states[state, FIRST_CALL], states[state + 1, FIRST_CALL]):
                callee = Int(calls[call, CALL_RULE])
                first = _entrance(c, callee)
                if first < 0:
                    return first
                if rules[rule, RULE_KIND] >= MEMBERS:
                    count = _entered(c, rule, Int(calls[call, CALL_RETURN]), counter)
                    if count < DEAD:
                        return count
                    if count == DEAD:
                        continue
                below = stack
                if calls[call, CALL_RETURN] >= 0:
                    begin = Int(c[TOP])
                    if not _push(c, Int(calls[call, CALL_RETURN]), count, stack):
                        return LIMIT
                    below = _intern(c, Int(STACK), Int(0), begin)
                    if below < 0:
                        return below
                if not _push(c, first, _stood_in_for(c, callee), below):
                    return LIMIT
        at, end = bottom, Int(c[TOP])
        _sort(buffer, bottom, (end - bottom) // 3)
        while at < end:
            following = at + 3
            while following < end and buffer[following] == buffer[at] and buffer[following + 1] == buffer[at + 1]:
                following += 3
            below = Int(buffer[at + 2]) if following == at + 3 else _unite(c, at, following)
            status = below if below < 0 else _reach(c, Int(buffer[at]), Int(buffer[at + 1]), below)
            if status < 0:
                return status
            at = following
        c[TOP] = bottom
    return 0


@inlined
def _entrance(c: Context, rule: int) -> int:
    """The state in which a rule is entered: that of its opening or its own first one; or a status.

    An opening is always gone through, also when the rule is written: so equal places in a text stay one configuration.
    """
    rules = table(c, RULES, RULE_COLUMNS)
    opening = Int(rules[rule, RULE_OPENING])
    first = Int(rules[opening if opening > 0 else rule, RULE_START])
    if first < 0:
        c[WANTED] = rule
        return WANTS_RULE
    return first


@inlined
def _stood_in_for(c: Context, rule: int) -> int:
    """The counter with which a rule is entered: its number, where that is done in its opening."""
    return rule if table(c, RULES, RULE_COLUMNS)[rule, RULE_OPENING] > 0 else 0


@kernel
def _unite(c: Context, begin: int, end: int) -> int:
    """The union of the stack sets in the triples of the buffer between two places, from all their frames at once."""
    heap, buffer = words(c, HEAP), words(c, BUFFER)
    bottom = Int(c[TOP])
    flag = Int(0)
    for at in range(begin, end, 3):
        stack = Int(buffer[at + 2])
        flag |= Int(heap[stack + 2])
        for frame in range(stack + HEADER, stack + HEADER + 3 * heap[stack + 1], 3):
            if not _push(c, Int(heap[frame]), Int(heap[frame + 1]), Int(heap[frame + 2])):
                return LIMIT
    _sort(buffer, bottom, (Int(c[TOP]) - bottom) // 3)
    last = bottom
    for at in range(bottom + 3, Int(c[TOP]), 3):
        if buffer[at] == buffer[last] and buffer[at + 1] == buffer[last + 1]:
            parents = _union(c, Int(buffer[last + 2]), Int(buffer[at + 2]))
            if parents < 0:
                return parents
            buffer[last + 2] = parents
        else:
            last += 3
            buffer[last], buffer[last + 1], buffer[last + 2] = buffer[at], buffer[at + 1], buffer[at + 2]
    c[TOP] = min(last + 3, Int(c[TOP]))
    return _intern(c, Int(STACK), flag, bottom)


@kernel
def _sort(buffer: Int32, begin: int, n: int) -> None:
    """Sorts n triples by state and counter (shell sort: short and nearly sorted lists are the rule)."""
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            at = begin + 3 * i
            state, counter, stack = buffer[at], buffer[at + 1], buffer[at + 2]
            j = i
            while j >= gap:
                other = begin + 3 * (j - gap)
                if buffer[other] < state or (buffer[other] == state and buffer[other + 1] <= counter):
                    break
                to = begin + 3 * j
                buffer[to], buffer[to + 1], buffer[to + 2] = buffer[other], buffer[other + 1], buffer[other + 2]
                j -= gap
            to = begin + 3 * j
            buffer[to], buffer[to + 1], buffer[to + 2] = state, counter, stack
        gap //= 3


@inlined
def _close(c: Context, accepting: int) -> int:
    """The configuration of the items reached, after leaving and entering rules; `DEAD` when there is none."""
    left = Int(0)
    if c[BUSY] & 1:
        left = _leave(c)
    if left >= 0:
        accepting |= left
        left = _enter(c) if c[BUSY] & 2 else Int(0)
    begin = Int(c[TOP])
    items, mark, states = table(c, ITEMS, 5), words(c, MARK), table(c, STATES, STATE_COLUMNS)
    for item in range(c[ITEMS_USED]):
        state = Int(items[item, 0])
        mark[state] = 0
        reads = states[state, FIRST_EDGE] < states[state + 1, FIRST_EDGE] or states[state, DEFAULT] >= 0
        reads = reads or _is_waiting(c, state)
        if left >= 0 and reads and not _push(c, state, Int(items[item, 1]), Int(items[item, 2])):
            left = LIMIT
    _forget(c)
    if left < 0:
        c[TOP] = 0
        return left
    n = (Int(c[TOP]) - begin) // 3
    if n == 0 and accepting == 0:
        return DEAD
    _sort(words(c, BUFFER), begin, n)
    return _intern(c, Int(CONFIGURATION), accepting, begin)


@kernel
def _forget(c: Context) -> None:
    """Clears the items being closed; their marks too, whoever has not done so."""
    items, mark = table(c, ITEMS, 5), words(c, MARK)
    for item in range(c[ITEMS_USED]):
        mark[items[item, 0]] = 0
    c[ITEMS_USED] = 0
    c[QUEUED] = 0
    c[BUSY] = 0


@kernel
def _step(c: Context, configuration: int, symbol: int) -> int:
    """The configuration after a symbol, `DEAD`, or a status; remembers the answer.

    From `NOWHERE` it is the start; behind `RETURNED` "configuration" is a stack set, on which a rule ends. While there
    are costs, it is one in which nothing waits: then it costs what it says.
    """
    steps, slot = table(c, STEP_TABLE, 3), _step_slot(c, configuration, symbol)
    if steps[slot, 0] != 0:
        return Int(steps[slot, 2])
    return _new_step(c, configuration, symbol)


@kernel
def _new_step(c: Context, configuration: int, symbol: int) -> int:
    """The same, where it is not remembered."""
    source = configuration if configuration == NOWHERE or symbol >= RETURNED else opened(c, configuration)
    if source < 0:
        return source
    after = _plain_step(c, source, symbol)
    whole = opened(c, after) if after > 0 and c[SETTLED] == 1 else after
    if whole < DEAD or configuration == NOWHERE or (whole == after and source == configuration):
        return whole  # which is remembered
    return _remember_step(c, configuration, symbol, whole)


@kernel
def _plain_step(c: Context, configuration: int, symbol: int) -> int:
    """The same behind a configuration in which nothing waits, whatever comes.

    While there are costs, one in which something waits is not remembered: whoever asks again must not find it.
    """
    steps = table(c, STEP_TABLE, 3)
    slot = _step_slot(c, configuration, symbol)
    if steps[slot, 0] != 0:
        return Int(steps[slot, 2])
    if 2 * (c[STEPS] + 1) > len(steps):
        return FULL_STEPS
    status = Int(0)
    accepting = Int(0)
    if configuration == NOWHERE:
        accepting = Int(c[ACCEPTS_EMPTY])
        status = _begin(c)
    elif symbol == RETURNED:
        accepting = Int(words(c, HEAP)[configuration + 2])
        status = _return(c, configuration)
    else:
        status = _read(c, configuration, symbol)
    after = Int(DEAD)
    if status < 0:
        after = status
        _forget(c)
        c[TOP] = 0
    elif c[ITEMS_USED] > 0 or accepting == 1:
        after = _close(c, accepting)
    if after < DEAD or configuration == NOWHERE or (after > 0 and c[SETTLED] == 1 and _has_waiting(c, after)):
        return after
    steps[slot, 0], steps[slot, 1], steps[slot, 2] = configuration, symbol, after
    c[STEPS] += 1
    return after


@inlined
def _step_slot(c: Context, configuration: int, symbol: int) -> int:
    """Where a transition is remembered, or where it would be."""
    steps = table(c, STEP_TABLE, 3)
    slot = (configuration * 0x9E3779B1 + symbol * 0x85EBCA6B) & 0x7FFFFFFFFFFF
    slot = (slot ^ (slot >> 15)) & (len(steps) - 1)
    while steps[slot, 0] != 0 and (steps[slot, 0] != configuration or steps[slot, 1] != symbol):
        slot = (slot + 1) & (len(steps) - 1)
    return slot


@kernel
def known_step(c: Context, configuration: int, symbol: int) -> int:
    """The remembered configuration after a symbol, 0 when there is none."""
    return Int(table(c, STEP_TABLE, 3)[_step_slot(c, configuration, symbol), 2])


@kernel
def _remember_step(c: Context, configuration: int, symbol: int, after: int) -> int:
    """Enters a transition that is not there; returns `after`, or a status."""
    steps, slot = table(c, STEP_TABLE, 3), _step_slot(c, configuration, symbol)
    if 2 * (c[STEPS] + 1) > len(steps):
        return FULL_STEPS
    steps[slot, 0], steps[slot, 1], steps[slot, 2] = configuration, symbol, after
    c[STEPS] += 1
    return after


@kernel
def opened(c: Context, configuration: int) -> int:
    """What a configuration is taken for: with the rules of objects in place of the ends of their openings; or a status.

    Itself, where it has none of these; else the answer is remembered.
    """
    if not _has_waiting(c, configuration):
        return configuration
    found = known_step(c, configuration, Int(OPENED))
    if found > 0:
        return found
    heap = words(c, HEAP)
    first, end = configuration + FIRST_ITEM, configuration + FIRST_ITEM + 3 * Int(heap[configuration + 1])
    for at in range(first, end, 3):
        if _is_waiting(c, Int(heap[at])):
            behind = _behind_quote(c, Int(heap[at]), Int(heap[at + 1]), Int(heap[at + 2]))
            if behind < 0:
                return behind
    status = Int(0)
    for at in range(first, end, 3):
        source, size = at, Int(1)
        if _is_waiting(c, Int(heap[at])):  # which takes nothing but looking it up by now
            source = _behind_quote(c, Int(heap[at]), Int(heap[at + 1]), Int(heap[at + 2]))
            source, size = source + FIRST_ITEM, Int(heap[source + 1])
        for item in range(source, source + 3 * size, 3):
            if status == 0:
                status = _reach(c, Int(heap[item]), Int(heap[item + 1]), Int(heap[item + 2]))
    c[BUSY] = 0  # all rules are left and entered
    found = status if status < 0 else _close(c, Int(heap[configuration + 2]))
    _forget(c)
    c[TOP] = 0
    return found if found < 0 else _remember_step(c, configuration, Int(OPENED), found)


@kernel
def _behind_quote(c: Context, state: int, rule: int, stack: int) -> int:
    """The configuration of an object on a stack set behind what its opening has read, or a status."""
    rules = table(c, RULES, RULE_COLUMNS)
    first = Int(rules[rule, RULE_START])
    if first < 0:
        c[WANTED] = rule
        return WANTS_RULE
    begin = Int(c[TOP])
    if not _push(c, first, Int(0), stack):
        return LIMIT
    found = _intern(c, Int(CONFIGURATION), Int(0), begin)
    opening = Int(table(c, STATES, STATE_COLUMNS)[state, STATE_RULE])
    if found > 0:
        found = _plain_step(c, found, Int(rules[opening, OPENING_BRACKET]))
    if found > 0:
        found = _plain_step(c, found, Int(rules[opening, OPENING_KEY]))
    return found


@inlined
def _begin(c: Context) -> int:
    """Reaches the start of the first rule, on the empty stack. Returns 0 or a status."""
    first = _entrance(c, Int(0))
    if first < 0:
        return first
    bottom = _intern(c, Int(STACK), Int(1), Int(0))
    return bottom if bottom < 0 else _reach(c, first, _stood_in_for(c, Int(0)), bottom)


@kernel
def _return(c: Context, stack: int) -> int:
    """Reaches the return states of a stack set's frames. Returns 0 or a status."""
    heap = words(c, HEAP)
    for i in range(heap[stack + 1]):
        at = stack + HEADER + 3 * i
        status = _reach(c, Int(heap[at]), Int(heap[at + 1]), Int(heap[at + 2]))
        if status < 0:
            return status
    return 0


@kernel
def _edge(c: Context, state: int, symbol: int) -> int:
    """The edge of a state on a symbol, its own or its default's; -1 where there is none or the symbol is refused."""
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    while state >= 0:
        low, high = Int(states[state, FIRST_EDGE]), Int(states[state + 1, FIRST_EDGE])
        end = high
        while low < high:  # the first edge that does not end before the symbol
            middle = (low + high) // 2
            if edges[middle, EDGE_HIGH] < symbol:
                low = middle + 1
            else:
                high = middle
        if low < end and edges[low, EDGE_LOW] <= symbol:
            return low if edges[low, EDGE_TO] >= 0 else -1
        state = Int(states[state, DEFAULT])
    return -1


@inlined
def _read(c: Context, configuration: int, symbol: int) -> int:
    """Reaches the targets of the items' edges on a symbol. Returns 0 or a status."""
    heap, edges = words(c, HEAP), table(c, EDGES, EDGE_COLUMNS)
    rules, states = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    at = configuration + FIRST_ITEM
    for _ in range(heap[configuration + 1]):
        state, counter, stack = Int(heap[at]), Int(heap[at + 1]), Int(heap[at + 2])
        at += 3
        edge = _edge(c, state, symbol)
        if edge < 0:
            continue
        target = Int(edges[edge, EDGE_TO])
        rule = Int(states[state, STATE_RULE])
        if edges[edge, EDGE_TICK] == 1:
            counter = _counted(c, rule, counter)
        if rules[rule, RULE_KIND] == WINDOW and not _alive(c, target, counter):
            continue
        if rules[rule, RULE_KIND] >= MEMBERS:
            counter = _entered(c, rule, target, counter)
            if counter < DEAD:
                return counter
            if counter == DEAD:
                continue
        status = _reach(c, target, counter, stack)
        if status < 0:
            return status
    return 0


@kernel
def advance(c: Context, configuration: int, token: int, symbol: int) -> int:
    """The configuration after the bytes of a token, or where that is negative after one symbol: a byte, 256 + a special
    token, or `RETURNED`. `DEAD` when one is refused or the token has no bytes, or a status.
    """
    if token < 0:
        return _step(c, configuration, symbol)
    starts, spellings = words(c, SPELLING_FROM), octets(c, SPELLINGS)
    begin, end = Int(starts[token]), Int(starts[token + 1])
    if begin == end:
        return DEAD
    for at in range(begin, end):
        configuration = _step(c, configuration, Int(spellings[at]))
        if configuration < 0:
            return configuration
    return configuration


# -- masks -------------------------------------------------------------------------------------------------------------


@kernel
def recipe(c: Context, configuration: int, most: int) -> int:
    """Lists what makes the row of the tokens that go on from a configuration and after which `most` suffice.

    Without a budget the tables of leaves are used, and walks over the trie for the rest; with one, a walk for all.
    Where the text may end, the row has the tokens that end it, unless `most` < -1. Returns a number of tokens that
    suffices after any of them, or a status.
    """
    c[RECIPE_LENGTH] = 0
    configuration = opened(c, configuration)
    if configuration < 0:
        return configuration
    largest = _walk(c, configuration, Int(-1), most) if most < NO_BUDGET else _list_all(c, configuration)
    if words(c, HEAP)[configuration + 2] == 1 and most >= -1:
        _list(c, Int(END_OF_TEXT))
    return FULL_RECIPE if largest >= 0 and c[RECIPE_LENGTH] > len(words(c, RECIPE)) else largest


@kernel
def write(c: Context, row: Int32) -> None:
    """Writes the row of the last recipe, and leaves its digest; equal recipes over the same tables make equal rows.

    In a recipe n is for the tokens that end at the trie node n, and `END_OF_TEXT` for those that end a text. -1 - n is
    for the row n of a leaf without the tokens that end at some nodes: how many follows, and which.
    """
    listed, at = words(c, RECIPE), Int(0)
    row[:] = 0
    while at < c[RECIPE_LENGTH]:
        entry = Int(listed[at])
        at += 1
        if entry >= 0:
            _set(c, entry, row)
        elif entry == END_OF_TEXT:
            set_tokens(row, words(c, END_TOKENS), Int(1))
        else:
            end = at + 1 + Int(listed[at])
            _add_row(c, -1 - entry, listed[at + 1 : end], row)
            at = end
    c[DIGEST] = digest(row)


@kernel
def _list(c: Context, entry: int) -> None:
    """Adds one word to the recipe; what there is no room for is counted."""
    listed, at = words(c, RECIPE), Int(c[RECIPE_LENGTH])
    if at < len(listed):
        listed[at] = entry
    c[RECIPE_LENGTH] = at + 1


@inlined
def _list_all(c: Context, configuration: int) -> int:
    """Lists all tokens that go on from a configuration: rows of leaves, and what is found by walks.

    Returns the largest cost after a token, or a status.
    """
    heap, states, leaf_of = words(c, HEAP), table(c, STATES, STATE_COLUMNS), words(c, LEAF_OF)
    largest = Int(0)
    at = configuration + FIRST_ITEM
    others = Int(0)
    for i in range(heap[configuration + 1]):
        state = Int(heap[at + 3 * i])
        base = state if states[state, DEFAULT] < 0 else Int(states[state, DEFAULT])
        leaf = Int(leaf_of[base])
        if leaf == 0 or leaf == -2:
            c[TOP] = 0
            c[WANTED] = base
            return WANTS_LEAF
        if leaf < 0:
            others += 1
            if not _push(c, state, Int(heap[at + 3 * i + 1]), Int(heap[at + 3 * i + 2])):
                c[TOP] = 0
                return LIMIT
    rest = configuration
    if 0 < others < heap[configuration + 1]:
        rest = _intern(c, Int(CONFIGURATION), Int(0), Int(0))
        if rest < 0:
            return rest
    c[TOP] = 0
    for i in range(heap[configuration + 1] if others > 0 else 0):
        base = _leaf_state(c, Int(heap[at + 3 * i]))
        if leaf_of[base] < -2:
            leaf_of[base] += 1
    if others > 0:
        largest = _walk(c, rest, Int(-1), Int(NO_BUDGET))
    if others < heap[configuration + 1] and largest >= 0:
        for i in range(heap[configuration + 1]):
            if largest >= 0 and leaf_of[_leaf_state(c, Int(heap[at + 3 * i]))] > 0:
                beyond = _list_leaf(c, Int(heap[at + 3 * i]), Int(heap[at + 3 * i + 1]), Int(heap[at + 3 * i + 2]))
                largest = beyond if beyond < 0 else max(largest, beyond)
                heap = words(c, HEAP)
    return largest


@kernel
def _leaf_state(c: Context, state: int) -> int:
    """The state whose leaf table serves a state: its default, where it has one."""
    default = Int(table(c, STATES, STATE_COLUMNS)[state, DEFAULT])
    return state if default < 0 else default


@inlined
def _list_leaf(c: Context, state: int, counter: int, stack: int) -> int:
    """Lists the tokens from one item inside a leaf: the row of those that stay inside, and what follows its exits."""
    rules, states = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    rule = Int(states[state, STATE_RULE])
    base = _leaf_state(c, state)
    leaf = Int(words(c, LEAF_OF)[base])
    about = table(c, LEAVES, 5)
    low, room = 0, NEVER
    if rules[rule, RULE_KIND] == WINDOW:
        low = Int(rules[rule, RULE_MIN]) - counter
        if rules[rule, RULE_MAX] < NEVER:
            room = Int(rules[rule, RULE_MAX]) - counter
    slot = Int(about[leaf, 1]) + min(room, Int(about[leaf, 0]))
    made = Int(words(c, ROW_SLOTS)[slot])
    if made == 0:
        c[WANTED], c[GRADE] = leaf, slot - Int(about[leaf, 1])
        return WANTS_ROW
    after = _step(c, stack, Int(RETURNED))
    if after < DEAD:
        return after
    vetoes = Int(0)
    if base != state:
        vetoes = _find_vetoes(c, state)
        if vetoes < 0:
            return vetoes
        ending = 0
        for i in range(vetoes):
            node = Int(words(c, VETOED)[i])
            ending += Int(words(c, TOKENS_TO)[node]) - Int(words(c, TOKENS_FROM)[node])
        if ending > len(words(c, BUFFER)):
            return LIMIT
    _list(c, -made)
    _list(c, vetoes)
    for i in range(vetoes):
        _list(c, Int(words(c, VETOED)[i]))
    largest = Int(0)
    if c[SETTLED] == 1:
        dearest = table(c, RULE_COST, 2)
        own = max(Int(dearest[rule, 1]), Int(dearest[Int(states[base, STATE_RULE]), 1]))
        largest = own + Int(words(c, HEAP)[stack + 3])
    endings = table(c, ENDINGS, 2)
    for ending in range(about[leaf, 2], about[leaf, 2] + about[leaf, 3]):
        if low <= endings[ending, 1] <= room:
            _list(c, Int(endings[ending, 0]))
    beyond = _list_exits(c, leaf, after, low, room, vetoes)
    return beyond if beyond < 0 else max(largest, beyond, Int(words(c, HEAP)[after + 3]))


@kernel
def _add_row(c: Context, number: int, vetoed: Int32, row: Int32) -> None:
    """Adds a row, without the tokens that end at one of the vetoed nodes."""
    inside, token_ids = table(c, ROWS, len(row)), words(c, TOKEN_IDS)
    tokens_from, tokens_to, kept = words(c, TOKENS_FROM), words(c, TOKENS_TO), words(c, BUFFER)
    count = 0
    for node in vetoed:
        for at in range(tokens_from[node], tokens_to[node]):
            kept[count] = row[token_ids[at] >> 5] >> (token_ids[at] & 31) & 1
            count += 1
    for word in range(len(row)):
        row[word] |= inside[number, word]
    count = 0
    for node in vetoed:
        for at in range(tokens_from[node], tokens_to[node]):
            if kept[count] == 0:
                row[token_ids[at] >> 5] &= ~(np.int32(1) << np.int32(token_ids[at] & 31))
            count += 1


@inlined
def _list_exits(c: Context, leaf: int, after: int, low: int, room: int, vetoes: int) -> int:
    """Lists the tokens from a configuration behind the ends of a leaf. Returns the largest cost, or a status."""
    heap, exits, starts = words(c, HEAP), table(c, EXITS, 3), words(c, EXIT_BYTES)
    vetoed, kids = words(c, VETOED), words(c, TRIE_KIDS)
    first = Int(table(c, LEAVES, 5)[leaf, 4])
    largest = Int(0)
    for byte in range(256):
        begin, end = Int(starts[first + byte]), Int(starts[first + byte + 1])
        if begin == end or not heap[after + HEADER + (byte >> 5)] >> (byte & 31) & 1:
            continue
        onward = _step(c, after, Int(byte))
        if onward < DEAD:
            return onward
        if onward == DEAD:
            continue
        for exit in range(begin, end):
            if exits[exit, 1] < low or exits[exit, 1] > room:
                continue
            refused = False
            for i in range(vetoes):
                refused = refused or vetoed[i] == exits[exit, 2]
            if refused:
                continue
            node = Int(exits[exit, 0])
            _list(c, node)
            largest = max(largest, Int(heap[onward + 3]))
            if kids[node + 1] < kids[node + 2]:
                beyond = _walk(c, onward, node, Int(NO_BUDGET))
                if beyond < 0:
                    return beyond
                largest = max(largest, beyond)
    return largest


@kernel
def _find_vetoes(c: Context, state: int) -> int:
    """Lists the trie nodes behind which a state with a default refuses what its default would read; their number.

    Only nodes along the state's own edges are looked at: elsewhere it reads as its default does.
    """
    edges, states = table(c, EDGES, EDGE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    path, kids, kid_bytes = table(c, PATH, 4), words(c, KIDS), octets(c, KID_BYTES)
    starts, vetoed = words(c, TRIE_KIDS), words(c, VETOED)
    found = Int(0)
    depth = 0
    path[0, 0], path[0, 1], path[0, 2] = state, starts[0], starts[1]
    while depth >= 0:
        if path[depth, 1] == path[depth, 2]:
            depth -= 1
            continue
        kid = Int(path[depth, 1])
        path[depth, 1] += 1
        at = Int(path[depth, 0])
        for edge in range(states[at, FIRST_EDGE], states[at + 1, FIRST_EDGE]):
            if edges[edge, EDGE_LOW] <= kid_bytes[kid] <= edges[edge, EDGE_HIGH]:
                target = Int(edges[edge, EDGE_TO])
                node = Int(kids[kid])
                if target < 0:
                    if found >= len(vetoed):
                        return LIMIT
                    vetoed[found] = node
                    found += 1
                elif states[target, DEFAULT] >= 0:
                    depth += 1
                    path[depth, 0] = target
                    path[depth, 1], path[depth, 2] = starts[node + 1], starts[node + 2]
                break
    return found


@kernel
def _walk(c: Context, configuration: int, root: int, most: int) -> int:
    """Lists the tokens below a trie node (-1: the root) that go on from a configuration and after which `most` suffice.

    Walks depth first and never enters the subtree of a byte that is not allowed. Returns the largest cost after a token
    that was added, or a status.
    """
    heap, path = words(c, HEAP), table(c, PATH, 4)
    starts, kids, kid_bytes = words(c, TRIE_KIDS), words(c, KIDS), octets(c, KID_BYTES)
    tokens_from, tokens_to = words(c, TOKENS_FROM), words(c, TOKENS_TO)
    largest = Int(0)
    if configuration < 0:
        return largest
    depth = 0
    path[0, 0], path[0, 1], path[0, 2] = configuration, starts[root + 1], starts[root + 2]
    while depth >= 0:
        kid, end, before = Int(path[depth, 1]), Int(path[depth, 2]), Int(path[depth, 0])
        while kid < end and not heap[before + HEADER + (kid_bytes[kid] >> 5)] >> (kid_bytes[kid] & 31) & 1:
            kid += 1
        if kid == end:
            depth -= 1
            continue
        path[depth, 1] = kid + 1
        after = _step(c, before, Int(kid_bytes[kid]))
        if after < DEAD:
            return after
        if after == DEAD:
            continue
        node = Int(kids[kid])
        cost = Int(heap[after + 3])
        if cost <= most and tokens_from[node] < tokens_to[node]:
            largest = max(largest, cost)
            _list(c, node)
        depth += 1
        path[depth, 0], path[depth, 1], path[depth, 2] = after, starts[node + 1], starts[node + 2]
    return largest


@kernel
def _set(c: Context, node: int, row: Int32) -> None:
    """Sets the bits of the tokens that end at a trie node."""
    token_ids = words(c, TOKEN_IDS)
    for i in range(words(c, TOKENS_FROM)[node], words(c, TOKENS_TO)[node]):
        token = token_ids[i]
        row[token >> 5] |= np.int32(1) << np.int32(token & 31)


@kernel
def set_tokens(row: Int32, tokens: Int32, allowed: int) -> None:
    """Sets the bits of some tokens to 1 or to 0."""
    for token in tokens:
        bit = np.int32(1) << np.int32(token & 31)
        if allowed == 1:
            row[token >> 5] |= bit
        else:
            row[token >> 5] &= ~bit


@kernel
def digest(row: Int32) -> int:
    """A number that equal rows share and others hardly ever do: one product of 32 and 31 bits for each word.

    They are joined by XOR, under which 63 bits stay 63 bits.
    """
    total = Int(0)
    for i in range(len(row)):
        total ^= (Int(row[i]) & 0xFFFFFFFF) * ((i * 0x9E3779B1 + 0x85EBCA6B) & 0x7FFFFFFF)
    return total


# -- costs -------------------------------------------------------------------------------------------------------------


@kernel
def settle_bytes(c: Context, rule_count: int, state_count: int, state_bytes: Int32, rule_bytes: Int32) -> None:
    """Lowers the fewest bytes to the end of each PLAIN rule's states, and of each whole rule, until nothing changes.

    Both arrays come in filled with `TOO_MANY`; a special token counts as one byte. The choices are left in `CHOICES`.
    """
    rules, states = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    calls, choices = table(c, CALLS, CALL_COLUMNS), table(c, CHOICES, 3)
    changed = True
    while changed:
        changed = False
        for state in range(state_count - 1, -1, -1):
            rule = Int(states[state, STATE_RULE])
            if rules[rule, RULE_KIND] != PLAIN:
                continue
            if _choose(c, Int(state), state_bytes, rule_bytes):
                changed = True
        for rule in range(rule_count - 1, -1, -1):
            first = Int(rules[rule, RULE_START])
            best = Int(state_bytes[first])
            if rules[rule, RULE_KIND] == REPEAT:
                item = Int(calls[states[first, FIRST_CALL], CALL_RULE])
                best = min(TOO_MANY, Int(rules[rule, RULE_MIN]) * Int(rule_bytes[item]))
            elif rules[rule, RULE_KIND] == WINDOW:
                best = min(TOO_MANY, _fewest_bytes(c, first, Int(0)))
            if best < rule_bytes[rule]:
                rule_bytes[rule] = best
                changed = True
    for state in range(state_count):
        if states[state, STATE_FINAL] == 1:
            choices[state, 0], choices[state, 1] = -1, -1


@inlined
def _choose(c: Context, state: int, state_bytes: Int32, rule_bytes: Int32) -> bool:
    """Whether a cheaper way from a state to the end of its rule was found; it is noted in `CHOICES`."""
    states, edges = table(c, STATES, STATE_COLUMNS), table(c, EDGES, EDGE_COLUMNS)
    calls, choices = table(c, CALLS, CALL_COLUMNS), table(c, CHOICES, 3)
    before = Int(state_bytes[state])
    best = 0 if states[state, STATE_FINAL] == 1 else before
    at = state
    while at >= 0:
        for edge in range(states[at, FIRST_EDGE], states[at + 1, FIRST_EDGE]):
            target = Int(edges[edge, EDGE_TO])
            if target < 0 or 1 + state_bytes[target] >= best:
                continue
            symbol = Int(edges[edge, EDGE_LOW])
            while symbol <= edges[edge, EDGE_HIGH] and at != state and _covered(c, state, symbol):
                symbol += 1
            if symbol <= edges[edge, EDGE_HIGH]:
                best = 1 + Int(state_bytes[target])
                choices[state, 0], choices[state, 1] = symbol, target
        at = Int(states[at, DEFAULT])
    for call in range(states[state, FIRST_CALL], states[state + 1, FIRST_CALL]):
        after = Int(calls[call, CALL_RETURN])
        cost = Int(rule_bytes[calls[call, CALL_RULE]]) + (0 if after < 0 else Int(state_bytes[after]))
        if cost < best:
            best = cost
            choices[state, 0], choices[state, 1] = -1, call
    state_bytes[state] = best
    return best < before


@inlined
def _covered(c: Context, state: int, symbol: int) -> bool:
    """Whether a symbol is on one of the state's own edges, so that its default does not count."""
    states, edges = table(c, STATES, STATE_COLUMNS), table(c, EDGES, EDGE_COLUMNS)
    for edge in range(states[state, FIRST_EDGE], states[state + 1, FIRST_EDGE]):
        if edges[edge, EDGE_LOW] <= symbol <= edges[edge, EDGE_HIGH]:
            return True
    return False


@kernel
def settle_tokens(c: Context, rule_count: int, state_count: int) -> None:
    """Fills `STATE_COST` and the first column of `RULE_COST` (given as -1) along the cheapest choices of bytes.

    A run of bytes is spelled by the longest token that begins it, then the next longest, and so on; so each token of
    that spelling lowers the cost by one.
    """
    rules, states = table(c, RULES, RULE_COLUMNS), table(c, STATES, STATE_COLUMNS)
    calls, state_cost, rule_cost = table(c, CALLS, CALL_COLUMNS), words(c, STATE_COST), table(c, RULE_COST, 2)
    changed = True
    while changed:
        changed = False
        for state in range(state_count - 1, -1, -1):
            rule = Int(states[state, STATE_RULE])
            if state_cost[state] < 0 and rules[rule, RULE_KIND] == PLAIN:
                cost = _state_tokens(c, Int(state))
                if cost >= 0:
                    if rules[rule, RULE_DISTINCT] > 1 and state == rules[rule, RULE_START]:
                        cost += Int(rules[rule, RULE_DISTINCT]) - 1  # from the bracket on, `branches` counts them
                    state_cost[state] = min(TOO_MANY, cost)
                    changed = True
        for rule in range(rule_count - 1, -1, -1):
            if rule_cost[rule, 0] >= 0:
                continue
            first = Int(rules[rule, RULE_START])
            if rules[rule, RULE_KIND] == PLAIN:
                rule_cost[rule, 0] = state_cost[first]
            elif rules[rule, RULE_KIND] == WINDOW:
                rule_cost[rule, 0] = _window_cost(c, first, Int(0))
            else:
                item = Int(rule_cost[calls[states[first, FIRST_CALL], CALL_RULE], 0])
                if item >= 0:
                    rule_cost[rule, 0] = min(TOO_MANY, Int(rules[rule, RULE_MIN]) * item)
            changed |= rule_cost[rule, 0] >= 0


@inlined
def _state_tokens(c: Context, state: int) -> int:
    """The cost of a state from the costs of others, -1 while one of them is not known."""
    calls, choices = table(c, CALLS, CALL_COLUMNS), table(c, CHOICES, 3)
    state_cost, rule_cost = words(c, STATE_COST), table(c, RULE_COST, 2)
    symbol, to = Int(choices[state, 0]), Int(choices[state, 1])
    if symbol < 0 and to < 0:  # it ends here, or in more bytes than are counted
        return 0 if table(c, STATES, STATE_COLUMNS)[state, STATE_FINAL] == 1 else TOO_MANY
    if symbol < 0:
        callee, back = Int(rule_cost[calls[to, CALL_RULE], 0]), Int(calls[to, CALL_RETURN])
        after = 0 if back < 0 else Int(state_cost[back])
        return -1 if callee < 0 or after < 0 else callee + after
    if symbol >= 256:
        return -1 if state_cost[to] < 0 else 1 + Int(state_cost[to])
    node = Int(-1)
    longest = Int(-1)
    while 0 <= symbol < 256:
        node = _child(c, node, symbol)
        if node < 0:
            break
        if words(c, TOKENS_FROM)[node] < words(c, TOKENS_TO)[node]:
            longest = to
        symbol, to = Int(choices[to, 0]), Int(choices[to, 1])
    if longest < 0:
        return TOO_MANY
    after = Int(state_cost[longest])
    return -1 if after < 0 else 1 + after


@kernel
def _child(c: Context, node: int, byte: int) -> int:
    """The child of a trie node (-1: of the root) behind a byte, -1 for none."""
    starts, kids, kid_bytes = words(c, TRIE_KIDS), words(c, KIDS), octets(c, KID_BYTES)
    for kid in range(starts[node + 1], starts[node + 2]):
        if kid_bytes[kid] == byte:
            return Int(kids[kid])
    return -1


# -- growth ------------------------------------------------------------------------------------------------------------


@kernel
def rehash(heap: Int32, old: Int32, new: Int32) -> None:
    """Enters all records of an old hash table into a new one."""
    for entry in old:
        if entry != 0:
            slot = heap[entry + 4] & (len(new) - 1)
            while new[slot] != 0:
                slot = (slot + 1) & (len(new) - 1)
            new[slot] = entry


@kernel
def rehash_steps(old: Int32, new: Int32) -> None:
    """Enters all transitions of an old hash table (n, 3) into a new one."""
    for i in range(len(old)):
        if old[i, 0] != 0:
            slot = (Int(old[i, 0]) * 0x9E3779B1 + Int(old[i, 1]) * 0x85EBCA6B) & 0x7FFFFFFFFFFF
            slot = (slot ^ (slot >> 15)) & (len(new) - 1)
            while new[slot, 0] != 0:
                slot = (slot + 1) & (len(new) - 1)
            new[slot, 0], new[slot, 1], new[slot, 2] = old[i, 0], old[i, 1], old[i, 2]
