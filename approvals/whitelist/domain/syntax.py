"""What the nodes of the bash grammar mean to us: names of tree-sitter-bash 0.25.1.

The list of plain nodes is closed: a node type that it does not name makes a line rich, with the
type in the reason, so that a new release of the grammar can only send more lines to humans.
"""

import re
from dataclasses import dataclass

from tree_sitter import Node

PLAIN_NODES = frozenset(
    [
        "program",
        "list",
        "pipeline",
        "command",
        "command_name",
        "word",
        "number",
        "string",
        "string_content",
        "raw_string",
        "concatenation",
    ]
) | frozenset(["&&", "||", ";", "|", '"'])
OPERATORS = frozenset(["&&", "||", ";", "|"])
COMMAND_NODES = frozenset(["command", "declaration_command", "unset_command", "test_command"])
REDIRECTS = frozenset(["file_redirect", "heredoc_redirect", "herestring_redirect"])
DESCRIPTOR = "file_descriptor"
# Each of these is one level of nesting.
NESTING = {
    "command_substitution": "a command substitution",
    "process_substitution": "a process substitution",
    "subshell": "a subshell",
    "compound_statement": "a group",
    "function_definition": "a function definition",
    "if_statement": "a compound command (if)",
    "while_statement": "a compound command (while or until)",
    "for_statement": "a compound command (for)",
    "c_style_for_statement": "a compound command (for)",
    "case_statement": "a compound command (case)",
    "test_command": "a test in brackets",
    "arithmetic_expansion": "an arithmetic expansion",
    "expansion": "a variable",
}
NOTES = NESTING | {
    "simple_expansion": "a variable",
    "$": "a variable",
    "ansi_c_string": "a $'…' string",
    "translated_string": 'a $"…" string',
    "brace_expression": "a brace expansion",
    "redirected_statement": "a redirection",
    "file_redirect": "a redirection",
    "herestring_redirect": "a here-string",
    "heredoc_redirect": "a here-document",
    "heredoc_body": "a here-document",
    "variable_assignment": "an assignment",
    "variable_assignments": "an assignment",
    "negated_command": "a negation",
    "declaration_command": "a declaration",
    "unset_command": "an unset",
    "comment": "a comment",
    "&": "a background job",
    "|&": "a pipe of standard error",
    "\n": "a second line",
    "extglob_pattern": "a glob",
    "ERROR": "text that is not shell syntax",
}
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPE_IN_DOUBLE = re.compile(r'\\([\\"$`\n])')
_WORD_MARKS = (
    (re.compile(r"[*?\[\]]"), "a glob"),
    (re.compile(r"[{}]"), "a brace"),
    (re.compile(r"~"), "a tilde"),
    (re.compile(r"!"), "a negation or history expansion"),
    (re.compile(r"[$`]"), "a variable"),
)

_SUBSTITUTION = re.compile(rb"`|\$\(|[<>]\(")
_SUBSTITUTION_TOKENS = frozenset(["`", "$(", "$((", "<(", ">("])
_TEXT_LEAVES = frozenset(["raw_string", "ansi_c_string", "comment"])


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a simple command.

    `value` is what the program would get where `literal` holds; elsewhere the best reading
    (quotes taken off where possible), for display and for deny rules only.
    """

    source: str
    value: str
    literal: bool
    notes: tuple[str, ...] = ()


def note_for(node: Node) -> str | None:
    """Why this node makes a line rich; None for a plain one."""
    if node.is_missing:
        return "syntax that ends too early"
    if node.type in PLAIN_NODES and not node.is_error:
        return None
    return NOTES.get(node.type, f"syntax that is not a plain command ({node.type})" if node.is_named else None)


def read_word(node: Node, data: bytes) -> Word:
    """The word that a node stands for. Two levels at most: a concatenation, then its parts."""
    source = _text(node, data)
    parts = node.children if node.type == "concatenation" else [node]
    values: list[str] = []
    notes: list[str] = []
    for part in parts:
        value, part_notes = _read_part(part, data)
        values.append(value)
        notes.extend(part_notes)
    return Word(source, "".join(values), not notes, tuple(dict.fromkeys(notes)))


def hides_substitution(node: Node, data: bytes) -> bool:
    """Whether a command may hide in this node, where the grammar sees text and bash does not.

    It reads ``${x:-`id`}`` as text, and does not take the backslashes off inside backticks
    before it reads what is between them.
    """
    text = data[node.start_byte : node.end_byte]
    if node.type == "command_substitution":
        return text.startswith(b"`") and b"\\" in text
    if node.child_count or node.type in _TEXT_LEAVES or node.type in _SUBSTITUTION_TOKENS:
        return False
    return has_substitution(text, quoted=node.type == "string_content")


def has_substitution(text: bytes, *, quoted: bool = False) -> bool:
    """An unescaped backtick or `$(`, or, outside double quotes, `<(` or `>(`."""
    found = _SUBSTITUTION.findall(re.sub(rb"\\.", b"__", text, flags=re.DOTALL))
    return any(one[:1] in b"`$" or not quoted for one in found)


def opaque_word(source: str, note: str) -> Word:
    """A word whose value only the shell knows."""
    return Word(source, source, literal=False, notes=(note,))


def _read_part(part: Node, data: bytes) -> tuple[str, list[str]]:
    source = _text(part, data)
    if part.type in {"word", "number"} and not part.is_missing:
        return _read_plain(source, has_children=part.child_count > 0)
    if part.type == "raw_string":
        return source[1:-1], []
    if part.type == "string" and all(child.type in {'"', "string_content"} for child in part.children):
        return _ESCAPE_IN_DOUBLE.sub(lambda found: found[1].strip("\n"), source[1:-1]), []
    note = NOTES.get(part.type, "a variable" if part.type == "string" else f"a {part.type.replace('_', ' ')}")
    return source, [note]


def _read_plain(source: str, *, has_children: bool) -> tuple[str, list[str]]:
    bare = _ESCAPE.sub("", source)
    notes = [note for mark, note in _WORD_MARKS if mark.search(bare)]
    if has_children:
        notes.append("a variable")
    return _ESCAPE.sub(lambda found: found[1].strip("\n"), source), notes


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode("utf-8", "replace")
