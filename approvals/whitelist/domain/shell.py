"""A shell line read with the bash grammar, and compared with the strict tokenizer.

Rules: design section 9. tree-sitter recovers from errors and can differ from bash, so its
reading alone approves nothing: `agree` wants the same argvs and operators from both. Its reading
is what reviewers are shown, and what deny rules are tried on, as it finds commands anywhere.
"""

from dataclasses import dataclass, replace

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from approvals.whitelist.domain.limits import Limits, byte_length
from approvals.whitelist.domain.syntax import (
    COMMAND_NODES,
    DESCRIPTOR,
    NESTING,
    OPERATORS,
    REDIRECTS,
    Word,
    has_substitution,
    hides_substitution,
    note_for,
    opaque_word,
    read_word,
)
from approvals.whitelist.domain.words import Operator, Rejected, tokenize

_MAX_STRAYS = 200
"""Redirections with words after them that are put back in place; a line with more is not complete."""
_LANGUAGE = Language(tree_sitter_bash.language())


@dataclass(frozen=True, slots=True)
class Segment:
    """One simple command of a line: boxes for a reviewer, a reading for the rules."""

    words: tuple[Word, ...]
    start: int
    end: int
    """Range in the line, in code points."""
    depth: int
    notes: tuple[str, ...]
    """What surrounds or changes it: `a redirection`, `a subshell`, …"""

    @property
    def argv(self) -> tuple[str, ...] | None:
        """What the program would get, where every word is literal."""
        return tuple(word.value for word in self.words) if all(word.literal for word in self.words) else None


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """A whole line as the bash grammar reads it."""

    line: str
    segments: tuple[Segment, ...]
    operators: tuple[Operator, ...]
    notes: tuple[str, ...]
    """Why it is not plain; empty for words joined by `&& || ; |`."""
    complete: bool
    """False where the grammar had to skip or invent something."""
    depth: int


@dataclass(frozen=True, slots=True)
class TooLong:
    """Not parsed: more bytes than the limit."""

    reason: str


@dataclass(frozen=True, slots=True)
class Agreed:
    """Both readers say the same: these commands, these operators between them."""

    argvs: tuple[tuple[str, ...], ...]
    operators: tuple[Operator, ...]
    parsed: ParsedLine


@dataclass(frozen=True, slots=True)
class NeedsHuman:
    """No pattern may approve this line, for these reasons."""

    reasons: tuple[str, ...]
    parsed: ParsedLine | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: nesting, and what surrounds."""

    depth: int = 0
    notes: tuple[str, ...] = ()


class _Walk:
    """Depth-first over the tree, in source order, with its own stack: no recursion in Python."""

    def __init__(self, line: str) -> None:
        self.line = line
        self.data = line.encode("utf-8", "replace")  # a lone surrogate becomes `?`; it is a finding anyway
        self.segments: list[Segment] = []
        self.strays: list[tuple[Node, tuple[Word, ...]]] = []
        self.operators: list[Operator] = []
        self.notes: dict[str, None] = {}
        self.depth = 0
        self.unread = False
        self.read_to = 0

    def run(self) -> ParsedLine:
        root = Parser(_LANGUAGE).parse(self.data).root_node
        stack = [(root, _Place())]
        while stack:
            node, place = stack.pop()
            inside = self.enter(node, place)
            stack.extend((child, inside) for child in reversed(node.children))
        self.adopt_strays()
        return ParsedLine(
            self.line,
            tuple(self.segments),
            tuple(self.operators),
            tuple(self.notes),
            complete=not (root.has_error or self.unread or len(self.strays) > _MAX_STRAYS),
            depth=self.depth,
        )

    def enter(self, node: Node, place: _Place) -> _Place:
        if node.type in OPERATORS and not node.is_named:
            self.operators.append(Operator(node.type))
        self.check_unread(node)
        note = note_for(node)
        if note is not None:
            self.notes[note] = None
        if node.type in COMMAND_NODES:
            self.add_segment(node, place)
        if node.type == "redirected_statement":
            self.collect_strays(node)
        deeper = place.depth + (node.type in NESTING)
        self.depth = max(self.depth, deeper)
        return _Place(deeper, place.notes if note is None or note in place.notes else (*place.notes, note))

    def check_unread(self, node: Node) -> None:
        """Notice substitutions that the grammar took for text, in a node or in the gap before it."""
        hidden = hides_substitution(node, self.data)
        if node.child_count == 0:
            hidden = hidden or has_substitution(self.data[self.read_to : node.start_byte])
            self.read_to = max(self.read_to, node.end_byte)
        if hidden:
            self.unread = True
            self.notes["a substitution that could not be read"] = None

    def add_segment(self, node: Node, place: _Place) -> None:
        words, notes = self.words_of(node)
        for note in (note for word in words for note in word.notes):
            self.notes[note] = None
        if words:
            notes = tuple(dict.fromkeys((*place.notes, *notes)))
            start, end = self.offset(node.start_byte), self.offset(node.end_byte)
            self.segments.append(Segment(words, start, end, place.depth, notes))

    def words_of(self, node: Node) -> tuple[tuple[Word, ...], tuple[str, ...]]:
        if node.type == "test_command":
            source = self.data[node.start_byte : node.end_byte].decode("utf-8", "replace")
            return (Word("[", "[", literal=True), opaque_word(source, "a test in brackets")), ()
        words: list[Word] = []
        notes: list[str] = []
        for child in node.children:
            if child.type in REDIRECTS or (child.type == "variable_assignment" and node.type == "command"):
                notes.append(note_for(child) or "")
                words.extend(self.after_target(child))
            elif child.type == "command_name":
                words.extend(read_word(part, self.data) for part in child.children)
            else:
                words.append(read_word(child, self.data))
        return tuple(words), tuple(notes)

    def after_target(self, redirect: Node) -> list[Word]:
        """`rm >x -rf /`: the grammar hangs the arguments after the target on the redirection."""
        if redirect.type not in {"file_redirect", "heredoc_redirect"}:
            return []
        named = [child for child in redirect.named_children if child.type != DESCRIPTOR]
        return [
            read_word(child, self.data)
            for child in named[1:]
            if child.type
            in {"word", "number", "string", "raw_string", "concatenation", "simple_expansion", "expansion"}
        ]

    def collect_strays(self, node: Node) -> None:
        redirects = [child for child in node.children if child.type in REDIRECTS]
        strays = tuple(word for redirect in redirects for word in self.after_target(redirect))
        body = node.child_by_field_name("body")
        if strays and body is not None:
            self.strays.append((body, strays))

    def adopt_strays(self) -> None:
        """They belong to the last command that the redirection follows."""
        for body, words in self.strays[:_MAX_STRAYS]:
            start, end = self.offset(body.start_byte), self.offset(body.end_byte)
            inside = [s for s in self.segments if start <= s.start and s.end <= end]
            if inside:
                owner = max(inside, key=lambda segment: (segment.end, -segment.start))
                index = self.segments.index(owner)
                self.segments[index] = replace(owner, words=owner.words + words)

    def offset(self, byte: int) -> int:
        if len(self.data) == len(self.line):
            return byte
        return len(self.data[:byte].decode("utf-8", "replace"))


def parse_line(line: str, limits: Limits) -> ParsedLine | TooLong:
    """Read a line with the bash grammar; the size is checked first, before any parsing."""
    size = byte_length(line)
    if size > limits.max_bytes:
        return TooLong(f"the line has {size} bytes, more than {limits.max_bytes}")
    return _Walk(line).run()


def over_limits(parsed: ParsedLine, limits: Limits) -> tuple[str, ...]:
    """Which limits a parsed line is over, in words."""
    reasons = []
    if len(parsed.segments) > limits.max_commands:
        reasons.append(f"the line has {len(parsed.segments)} commands, more than {limits.max_commands}")
    if parsed.depth > limits.max_depth:
        reasons.append(f"the line is nested {parsed.depth} deep, more than {limits.max_depth}")
    if any(len(segment.words) > limits.max_arguments for segment in parsed.segments):
        reasons.append(f"a command has more than {limits.max_arguments} words")
    return tuple(reasons)


def agree(line: str, limits: Limits) -> Agreed | NeedsHuman:
    """Both readings of a line where they are the same, else why a human is needed."""
    parsed = parse_line(line, limits)
    if isinstance(parsed, TooLong):
        return NeedsHuman((parsed.reason,), None)
    over = over_limits(parsed, limits)
    strict = tokenize(line)
    if isinstance(strict, Rejected):
        reasons = dict.fromkeys((*over, f"the line has {strict.reason}", *(f"the line has {n}" for n in parsed.notes)))
        return NeedsHuman(tuple(reasons), parsed)
    if over:
        return NeedsHuman(over, parsed)
    argvs = tuple(segment.argv for segment in parsed.segments)
    same = argvs == strict.argvs and parsed.operators == strict.operators
    if parsed.notes or not parsed.complete or not same:
        return NeedsHuman(("the two readers of the line do not agree", *parsed.notes), parsed)
    return Agreed(strict.argvs, strict.operators, parsed)
